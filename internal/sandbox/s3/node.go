package s3

import (
	"encoding/xml"
	"slices"
	"strings"
)

// node is an XML element of a settings document. Documents are kept whole, so
// that members that the sandbox does not know come back as they were given.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []*node    `xml:",any"`
}

func parseNode(raw []byte) (*node, error) {
	n := new(node)
	if err := xml.Unmarshal(raw, n); err != nil {
		return nil, errMalformed()
	}
	n.clean(true)
	return n, nil
}

// clean drops white space between elements and repeated name spaces, which the
// encoder would write again for each element.
func (n *node) clean(root bool) {
	if root {
		n.XMLName.Space = namespace
	} else {
		n.XMLName.Space = ""
	}
	n.Attrs = slices.DeleteFunc(n.Attrs, func(a xml.Attr) bool { return a.Name.Local == "xmlns" || a.Name.Space == "xmlns" })
	if len(n.Nodes) > 0 {
		n.Text = ""
	}
	for _, c := range n.Nodes {
		c.clean(false)
	}
}

// all returns the direct children of a name.
func (n *node) all(name string) []*node {
	var out []*node
	for _, c := range n.Nodes {
		if c.XMLName.Local == name {
			out = append(out, c)
		}
	}
	return out
}

// text returns the text of the first child of a name.
func (n *node) text(name string) string {
	for _, c := range n.all(name) {
		return strings.TrimSpace(c.Text)
	}
	return ""
}

// child returns the first child of a name, an empty one if there is none.
func (n *node) child(name string) *node {
	for _, c := range n.all(name) {
		return c
	}
	return newNode(name, "")
}

func (n *node) set(name, text string) {
	for _, c := range n.all(name) {
		c.Text = text
		return
	}
	n.Nodes = append(n.Nodes, newNode(name, text))
}

// oneOf demands that the element is called root and has a child with one of the
// values.
func (n *node) oneOf(root, name string, values ...string) error {
	if n.XMLName.Local != root || !slices.Contains(values, n.text(name)) {
		return errMalformed()
	}
	return nil
}

func newNode(name, text string) *node { return &node{XMLName: xml.Name{Local: name}, Text: text} }
