package fault

import "strings"

// Mask is what is shown in place of a secret.
const Mask = "xxxxx"

// Masked is a text without the passwords that URLs in it carry, in their user part
// (https://user:password@host) and in parameters that are named for a secret (?token=...).
// Messages and hints go through it by themselves; whatever else is shown of a setting that
// may be a URL has to. It errs on the side of hiding.
func Masked(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	var b strings.Builder
	for {
		at := strings.Index(s, "://")
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:at+3])
		s = s[at+3:]
		end := strings.IndexAny(s, " \t\r\n\"'`<>")
		if end < 0 {
			end = len(s)
		}
		// A list of URLs, as one setting has them: each is looked at by itself.
		if next := strings.Index(s[:end], "://"); next >= 0 {
			if comma := strings.LastIndexByte(s[:next], ','); comma >= 0 {
				end = comma
			}
		}
		b.WriteString(maskedParameters(maskedUser(s[:end])))
		s = s[end:]
	}
}

// maskedUser masks the password of a URL behind its scheme. A password that was not
// escaped may hold what ends the host of a URL: what stands before the last @ belongs to
// it, unless it looks like a host with a port before its path.
func maskedUser(rest string) string {
	colon, at := strings.IndexByte(rest, ':'), strings.LastIndexByte(rest, '@')
	if colon < 0 || at < colon {
		return rest
	}
	if slash := strings.IndexAny(rest, "/?#"); slash >= 0 && slash < at && !strings.Contains(rest[:slash], "@") {
		if slash < colon || strings.Trim(rest[colon+1:slash], "0123456789") == "" {
			return rest // the @ is in the path
		}
	}
	return rest[:colon+1] + Mask + rest[at:]
}

// secretWords name parameters whose values are nobody's business.
var secretWords = []string{"password", "passwd", "passphrase", "secret", "token", "sig", "signature", "credential", "accesskey", "accountkey", "apikey"}

func maskedParameters(rest string) string {
	path, query, ok := strings.Cut(rest, "?")
	if !ok {
		return rest
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		plain := strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(name))
		if !ok || value == "" {
			continue
		}
		for _, word := range secretWords {
			if plain == word || len(word) > 3 && strings.HasSuffix(plain, word) {
				parts[i] = name + "=" + Mask
			}
		}
	}
	return path + "?" + strings.Join(parts, "&")
}
