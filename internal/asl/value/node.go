package value

// Node is a parsed JSON value that knows where it stands in its text, for
// diagnostics and for templates that are evaluated field by field.
type Node struct {
	// Value is the plain value: nil, bool, Number, string, []any or *Object.
	Value any
	// Offset is the byte offset of the value's first character.
	Offset int
	// Items are the elements of an array.
	Items []*Node
	// Fields are the members of an object in their order; a key that was given
	// twice is there twice.
	Fields []Field
}

// Field is a member of an object.
type Field struct {
	Key    string
	Offset int // of the key
	Node   *Node
}

// ParseNode reads one JSON document with positions.
func ParseNode(text string) (*Node, error) {
	s := scanner{text: text}
	return document(&s, (*scanner).node)
}

func (s *scanner) node(depth int) (*Node, error) {
	n := &Node{Offset: s.pos}
	if depth > maxDepth {
		return nil, s.failAt(s.pos, "Document nesting depth exceeds the maximum allowed")
	}
	var err error
	switch c := s.text[s.pos]; c {
	case '{':
		o := NewObject(4)
		n.Value = o
		err = s.object(func(key string, at int) error {
			v, err := s.node(depth + 1)
			if err != nil {
				return err
			}
			o.Set(key, v.Value)
			n.Fields = append(n.Fields, Field{key, at, v})
			return nil
		})
	case '[':
		list := []any{}
		err = s.array(func() error {
			v, err := s.node(depth + 1)
			if err != nil {
				return err
			}
			list = append(list, v.Value)
			n.Items = append(n.Items, v)
			return nil
		})
		n.Value = list
	case '"':
		n.Value, err = s.str()
	default:
		n.Value, err = s.scalar(c)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Get returns the member of an object, the last one if there are several, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := len(n.Fields) - 1; i >= 0; i-- {
		if n.Fields[i].Key == key {
			return n.Fields[i].Node
		}
	}
	return nil
}

// IsObject reports whether the value is an object.
func (n *Node) IsObject() bool {
	_, ok := n.Value.(*Object)
	return ok
}

// IsArray reports whether the value is an array.
func (n *Node) IsArray() bool {
	_, ok := n.Value.([]any)
	return ok
}
