package s3

import (
	"net/http"
	"slices"
	"strings"
)

// The rules by which browsers let pages of other origins ask a bucket. The texts of
// refusals are those that users quote AWS with.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html

const maxCORSRules = 100

// checkCORS checks a configuration.
func checkCORS(n *node) error {
	rules := n.all("CORSRule")
	if n.XMLName.Local != "CORSConfiguration" || len(rules) == 0 || len(rules) > maxCORSRules {
		return errMalformed()
	}
	for _, r := range rules {
		if len(r.all("AllowedMethod")) == 0 || len(r.all("AllowedOrigin")) == 0 {
			return errMalformed()
		}
		for _, m := range r.texts("AllowedMethod") {
			if !slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodHead, http.MethodPost, http.MethodDelete}, m) {
				return errRequest("Found unsupported HTTP method in CORS config. Unsupported method is " + m)
			}
		}
		for _, name := range []string{"AllowedOrigin", "AllowedHeader"} {
			for _, text := range r.texts(name) {
				if strings.Count(text, "*") > 1 {
					return errRequest(name + ` "` + text + `" can not have more than one wildcard.`)
				}
			}
		}
		for _, h := range r.texts("ExposeHeader") {
			if strings.Contains(h, "*") {
				return errRequest(`ExposeHeader "` + h + `" contains wildcard. We currently do not support wildcard for ExposeHeader.`)
			}
		}
	}
	return nil
}

// texts are those of the children of a name.
func (n *node) texts(name string) (out []string) {
	for _, c := range n.all(name) {
		out = append(out, strings.TrimSpace(c.Text))
	}
	return out
}

// matches1 matches a text with at most one wildcard.
func matches1(pattern, text string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	return len(text) >= len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after)
}

// ruleFor is the first rule that lets a page of an origin ask so, and what it says of the
// origin.
func ruleFor(rules []*node, origin, method string, headers []string) (rule *node, allowed string) {
	for _, r := range rules {
		origins := r.texts("AllowedOrigin")
		i := slices.IndexFunc(origins, func(p string) bool { return matches1(p, origin) })
		if i < 0 || !slices.Contains(r.texts("AllowedMethod"), method) {
			continue
		}
		all := slices.IndexFunc(headers, func(h string) bool {
			return !slices.ContainsFunc(r.texts("AllowedHeader"), func(p string) bool { return matches1(strings.ToLower(p), h) })
		}) < 0
		if !all {
			continue
		}
		if origins[i] == "*" {
			return r, "*"
		}
		return r, origin
	}
	return nil, ""
}

// cross sets what lets a browser show the answer to a page of another origin, and answers
// its questions beforehand, which nobody signs.
func (s *Service) cross(w http.ResponseWriter, h *http.Request) (done bool, err error) {
	origin, asked := h.Header.Get("Origin"), h.Method == http.MethodOptions
	if origin == "" {
		if asked {
			err = fail(http.StatusBadRequest, "BadRequest", "Insufficient information. Origin request header needed.")
		}
		return asked, err
	}
	method := h.Method
	if asked {
		if method = h.Header.Get("Access-Control-Request-Method"); method == "" {
			return true, fail(http.StatusBadRequest, "BadRequest", "Invalid Access-Control-Request-Method: null")
		}
	}
	name, key := address(h)
	kind := "BUCKET"
	if key != "" {
		kind = "OBJECT"
	}
	forbidden := func(why, kind string) (bool, error) {
		if !asked {
			return false, nil
		}
		return true, fail(http.StatusForbidden, "AccessForbidden", "CORSResponse: "+why, "Method", method, "ResourceType", kind)
	}
	b, err := s.bucket(name)
	if err != nil {
		return forbidden("Bucket not found", "BUCKET")
	}
	n, err := parseNode([]byte(b.Settings["cors"]))
	if err != nil {
		return forbidden("CORS is not enabled for this bucket.", "BUCKET")
	}
	var headers []string
	if asked {
		for _, x := range strings.Split(h.Header.Get("Access-Control-Request-Headers"), ",") {
			if x = strings.ToLower(strings.TrimSpace(x)); x != "" {
				headers = append(headers, x)
			}
		}
	}
	rule, allowed := ruleFor(n.all("CORSRule"), origin, method, headers)
	if rule == nil {
		return forbidden("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method "+
			"or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.", kind)
	}
	out := w.Header()
	for name, value := range map[string]string{
		"Access-Control-Allow-Origin": allowed, "Access-Control-Allow-Methods": strings.Join(rule.texts("AllowedMethod"), ", "),
		"Access-Control-Allow-Headers": strings.Join(headers, ", "), "Access-Control-Expose-Headers": strings.Join(rule.texts("ExposeHeader"), ", "),
		"Access-Control-Max-Age": rule.text("MaxAgeSeconds"), "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
	} {
		if value != "" {
			out.Set(name, value)
		}
	}
	if allowed != "*" {
		out.Set("Access-Control-Allow-Credentials", "true")
	}
	if asked {
		w.WriteHeader(http.StatusOK)
	}
	return asked, nil
}
