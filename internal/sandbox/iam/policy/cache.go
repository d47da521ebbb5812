package policy

import "sync"

// maxParsed bounds the documents that a Cache keeps.
const maxParsed = 256

// Cache keeps parsed documents by their text, for services whose resources have
// policies as text. The zero value is ready; it is safe for concurrent use.
type Cache struct {
	mu     sync.Mutex
	parsed map[string]*Document
}

// Parse is the parsed document of a text, nil of none ("").
func (c *Cache) Parse(text string, kind Kind) (*Document, error) {
	if text == "" {
		return nil, nil
	}
	c.mu.Lock()
	doc := c.parsed[text]
	c.mu.Unlock()
	if doc != nil {
		return doc, nil
	}
	doc, err := Parse(text, kind)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || len(c.parsed) >= maxParsed {
		c.parsed = map[string]*Document{}
	}
	c.parsed[text] = doc
	return doc, nil
}
