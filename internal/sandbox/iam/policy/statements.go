package policy

import (
	"encoding/json"
	"slices"
)

// Statements is a policy whose statements can be counted out, each kept as it came: what
// AddPermission and RemovePermission change of a resource's policy.
type Statements struct {
	Version   string `json:",omitempty"`
	ID        string `json:"Id,omitempty"`
	Statement []json.RawMessage
}

// UnmarshalJSON takes a single statement without a list.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func (d *Statements) UnmarshalJSON(raw []byte) error {
	var loose struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal(raw, &loose); err != nil {
		return err
	}
	*d = Statements{Version: loose.Version, ID: loose.ID}
	if json.Unmarshal(loose.Statement, &d.Statement) != nil {
		d.Statement = []json.RawMessage{loose.Statement}
	}
	return nil
}

// Find is where the statement with a label (Sid) is, -1 if there is none.
func (d *Statements) Find(label string) int {
	return slices.IndexFunc(d.Statement, func(raw json.RawMessage) bool {
		var named struct{ Sid string }
		return json.Unmarshal(raw, &named) == nil && named.Sid == label
	})
}

// OneOrMore is a list as AWS writes it into the statements that it makes itself: one alone
// without brackets.
func OneOrMore(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
