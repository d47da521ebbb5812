package settings

import "strings"

// Flags are the global flags that were given, to be given again: to a command that is to
// work where this one does. They are shown, so a password in a URL is masked.
func (s *Settings) Flags() []string {
	var out []string
	if s.config != "" {
		out = append(out, "--config="+s.config)
	}
	for _, v := range s.List() {
		flag, ok := strings.CutPrefix(v.Source, "flag ")
		switch {
		case !ok:
		case v.Value == "true", v.Name == Color && v.Value == "never":
			out = append(out, flag)
		case v.Name == Color:
			out = append(out, flag+"=false")
		default:
			out = append(out, flag+"="+v.Shown())
		}
	}
	return out
}
