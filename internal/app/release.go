package app

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/blang/semver"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fetch"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

// Release is a version that was published.
type Release struct {
	Version string `json:"version"`
	URL     string `json:"url,omitempty"` // its page
	// Newer tells whether it is newer than this program; absent if this one is no release.
	Newer *bool `json:"newer,omitempty"`
}

// NewestRelease asks which release is the newest. Nobody calls it but who was asked to:
// nothing else of this program looks for releases of it.
func (a *App) NewestRelease(ctx context.Context) (Release, error) {
	address := a.opts.Settings.String(settings.ReleaseURL)
	text, err := fetch.Text(ctx, address)
	if err != nil {
		return Release{}, unknownRelease(fault.KindOf(err), "%s", err).Because(err)
	}
	var found struct {
		Tag  string `json:"tag_name"`
		Page string `json:"html_url"`
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return Release{}, unknownRelease(fault.Internal, "%s has no JSON document", fetch.Safe(address)).Because(err)
	}
	if _, err := semver.ParseTolerant(found.Tag); err != nil {
		return Release{}, unknownRelease(fault.Internal, "%s names no version in tag_name", fetch.Safe(address)).Because(err)
	}
	out := Release{Version: found.Tag, Newer: newer(found.Tag, version.Version)}
	if page, err := url.Parse(found.Page); err == nil && page.Host != "" && (page.Scheme == "https" || page.Scheme == "http") {
		out.URL = found.Page
	}
	return out, nil
}

func unknownRelease(kind fault.Kind, format string, args ...any) *fault.Error {
	e := fault.New(kind, format, args...)
	e.Op = "the newest release is not known"
	if kind == fault.Canceled {
		return e
	}
	return e.WithHint("Check the network and HTTPS_PROXY, or name a mirror: PIPELINETUI_RELEASE_URL. Nothing but version --check needs it.")
}

// sinceTag is what `git describe` adds to a tag: commits since then, and their hash.
var sinceTag = lazyregexp.New(`(-\d+-g[0-9a-f]+)?(-dirty)?$`)

// newer compares a release with the version of a program, which may have been built from
// commits after one; nil if it is none that can be compared.
func newer(release, own string) *bool {
	own = own[:len(own)-len(sinceTag.FindString(own))]
	if !strings.Contains(own, ".") { // a commit may look like a number
		return nil
	}
	have, err := semver.ParseTolerant(own)
	if err != nil {
		return nil
	}
	there, err := semver.ParseTolerant(release)
	if err != nil {
		return nil
	}
	is := there.GT(have)
	return &is
}
