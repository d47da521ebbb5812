package settings

import "maps"

// With returns the settings as they are when flags have other values, by their names
// ("region"): "" is a flag that is not given. They are checked as always, and what Flags
// returns has them.
func (s *Settings) With(flags map[string]string) (*Settings, error) {
	src := s.from
	src.Flags = maps.Clone(src.Flags)
	if src.Flags == nil {
		src.Flags = map[string]string{}
	}
	for name, value := range flags {
		if value == "" {
			delete(src.Flags, name)
			continue
		}
		src.Flags[name] = value
	}
	return Resolve(src)
}
