package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
)

// plain turns a property value as the engine serialises it into JSON for
// readers: signed maps (secrets, assets, archives, resource references) become
// words. The plain text of a secret, where the engine was asked for it, is
// shown only with reveal.
func plain(v any, reveal bool) any {
	switch v := v.(type) {
	case string:
		if v == plugin.UnknownStringValue {
			return UnknownValue
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e, reveal)
		}
		return out
	case map[string]any:
		if s, ok := v[sig.Key].(string); ok {
			return signed(s, v, reveal)
		}
		return plainMap(v, reveal)
	default:
		return v
	}
}

func plainMap(m map[string]any, reveal bool) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = plain(v, reveal)
	}
	return out
}

func signed(signature string, m map[string]any, reveal bool) any {
	switch signature {
	case sig.Secret:
		if text, ok := m["plaintext"].(string); ok && reveal {
			return plainSecret(text)
		}
		return SecretValue
	case sig.AssetSig:
		return describeAsset("asset", m)
	case sig.ArchiveSig:
		return describeAsset("archive", m)
	case sig.ResourceReference:
		if id, ok := m["id"].(string); ok && id != "" {
			return id
		}
		return m["urn"]
	case sig.OutputValue:
		if secret, _ := m["secret"].(bool); secret && !reveal {
			return SecretValue
		}
		if v, ok := m["value"]; ok {
			return plain(v, reveal)
		}
		return UnknownValue
	default:
		rest := maps.Clone(m)
		delete(rest, sig.Key)
		return plainMap(rest, reveal)
	}
}

// describeAsset names an asset by where it came from and the head of its hash,
// which is what changes when its content does.
func describeAsset(kind string, m map[string]any) string {
	from := ""
	for _, key := range []string{"path", "uri"} {
		if s, ok := m[key].(string); ok && s != "" {
			from = s
			break
		}
	}
	hash, _ := m["hash"].(string)
	if len(hash) > 12 {
		hash = hash[:12]
	}
	switch {
	case from != "" && hash != "":
		return fmt.Sprintf("%s(%s, sha256:%s)", kind, from, hash)
	case hash != "":
		return fmt.Sprintf("%s(sha256:%s)", kind, hash)
	default:
		return fmt.Sprintf("%s(%s)", kind, from)
	}
}

// isSecret tells whether a serialised value is a secret or holds one.
func isSecret(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, isSecret)
	case map[string]any:
		switch v[sig.Key] {
		case sig.Secret:
			return true
		case sig.OutputValue:
			if secret, _ := v["secret"].(bool); secret {
				return true
			}
		}
		for _, e := range v {
			if isSecret(e) {
				return true
			}
		}
	}
	return false
}

// hiddenKey is the key of what stands for a secret that is not shown in a document:
// {"secret": null}. A document writes secrets of its own as {"secret": text}.
const hiddenKey = "secret"

// withoutSecrets is a serialised value in which {"secret": null} stands for what is
// secret, so that a reader knows that something is there.
func withoutSecrets(v any) any {
	m, ok := v.(map[string]any)
	switch {
	case !isSecret(v):
		return v
	case !ok || m[sig.Key] != nil, len(m) == 1 && m[hiddenKey] != nil:
		return map[string]any{hiddenKey: nil} // a list is kept whole or not at all
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		out[k] = withoutSecrets(e)
	}
	return out
}

// lookup follows a property path ("a.b[0]") through a serialised property map.
func lookup(m map[string]any, path string) (any, bool) {
	keys, err := resource.ParsePropertyPath(path)
	if err != nil {
		v, ok := m[path]
		return v, ok
	}
	var at any = m
	for _, key := range keys {
		at = inside(at)
		switch key := key.(type) {
		case string:
			obj, ok := at.(map[string]any)
			if !ok {
				return nil, false
			}
			if at, ok = obj[key]; !ok {
				return nil, false
			}
		case int:
			list, ok := at.([]any)
			if !ok || key < 0 || key >= len(list) {
				return nil, false
			}
			at = list[key]
		}
		if m, ok := at.(map[string]any); ok && m[sig.Key] == sig.Secret {
			return at, true // all below a secret is secret
		}
	}
	return at, true
}

// inside opens an output value to what it holds.
func inside(v any) any {
	if m, ok := v.(map[string]any); ok && m[sig.Key] == sig.OutputValue {
		return m["value"]
	}
	return v
}

// plainSecret decodes the JSON that the engine keeps a secret's value as.
func plainSecret(text string) any {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	return plain(v, true)
}
