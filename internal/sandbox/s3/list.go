package s3

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

const maxList = 1000

// listing selects keys of a bucket.
type listing struct {
	bucket, prefix, delimiter string
	after                     string // only keys behind this one (or behind this common prefix)
	afterVersion              string // with after: from the version behind this one
	max                       int
	versions                  bool // all versions and delete markers, not only current objects
}

// found is a part of a listing.
type found struct {
	items    []*version
	latest   []bool // with versions: is items[i] the current version?
	prefixes []string
	more     bool
	last     string // the key or common prefix that ends the page
	lastID   string
}

// pageWriter is the state of a listing in progress.
type pageWriter struct {
	listing
	found
	seen string // key of the previous entry
}

// list reads a page. The database holds the keys in UTF-8 order, which is S3's,
// and a common prefix is skipped by one seek.
func list(tx *store.Tx, l listing) (found, error) {
	w := &pageWriter{listing: l}
	if l.max == 0 {
		return w.found, nil
	}
	scope := l.bucket + "\x00" + l.prefix
	from, err := w.start(tx)
	if err != nil {
		return w.found, err
	}
	for {
		next := ""
		err := tx.Scan(dbVersions, scope, from, func(k string, raw []byte) (bool, error) {
			more, skip, err := w.take(k, raw)
			next = skip
			return more && skip == "", err
		})
		if err != nil || next == "" {
			return w.found, err
		}
		from = next
	}
}

// start finds where the listing continues.
func (w *pageWriter) start(tx *store.Tx) (string, error) {
	if w.after == "" {
		return "", nil
	}
	if w.commonPrefix(w.after) == w.after {
		return w.behindPrefix(w.after), nil
	}
	if w.afterVersion != "" {
		v, err := byID(tx, w.bucket, w.after, w.afterVersion)
		if err != nil {
			return "", err
		}
		if v != nil {
			w.seen = w.after
			return v.dbKey() + "\x00", nil
		}
	}
	return w.bucket + "\x00" + w.after + "\x01", nil
}

// behindPrefix is behind every key with the prefix: keys are UTF-8, which has no
// byte 0xff.
func (w *pageWriter) behindPrefix(p string) string { return w.bucket + "\x00" + p + "\xff" }

func (w *pageWriter) commonPrefix(key string) string {
	if w.delimiter == "" || !strings.HasPrefix(key, w.prefix) {
		return ""
	}
	i := strings.Index(key[len(w.prefix):], w.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(w.prefix)+i+len(w.delimiter)]
}

// take adds an entry. It returns where to seek to, if not to the next entry.
func (w *pageWriter) take(k string, raw []byte) (more bool, seek string, err error) {
	key, _ := splitKey(k)
	latest := key != w.seen
	w.seen = key
	if !w.versions && !latest {
		return true, "", nil
	}
	v := new(version)
	if err := json.Unmarshal(raw, v); err != nil {
		return false, "", err
	}
	if !w.versions && v.Marker {
		return true, "", nil
	}
	if len(w.items)+len(w.prefixes) == w.max {
		w.more = true
		return false, "", nil
	}
	if cp := w.commonPrefix(key); cp != "" {
		w.prefixes = append(w.prefixes, cp)
		w.last, w.lastID = cp, ""
		return true, w.behindPrefix(cp), nil
	}
	w.items, w.latest = append(w.items, v), append(w.latest, latest)
	w.last, w.lastID = key, v.ID
	return true, "", nil
}

// number reads a parameter that counts, with AWS's two texts (they are those of
// https://github.com/getmoto/moto, test_multipart_list_parts_invalid_argument).
func (c *call) number(name string, standard int) (int, error) {
	given := c.q.Get(name)
	if given == "" {
		return standard, nil
	}
	n, err := strconv.ParseInt(given, 10, 32)
	switch {
	case err != nil:
		return 0, errInvalid(name, given, "Provided "+name+" not an integer or within integer range")
	case n < 0:
		return 0, errInvalid(name, given, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

// listing reads the parameters that all listings share.
func (c *call) listing() (listing, error) {
	l := listing{bucket: c.bucket, prefix: c.q.Get("prefix"), delimiter: c.q.Get("delimiter"), max: maxList}
	n, err := c.number("max-keys", maxList)
	if err != nil {
		return l, err
	}
	l.max = min(n, maxList)
	if e := c.q.Get("encoding-type"); e != "" && e != "url" {
		return l, errInvalid("encoding-type", e, "Invalid Encoding Method specified in Request")
	}
	return l, nil
}

func (c *call) page(l listing) (p found, err error) {
	err = c.s.DB.View(func(tx *store.Tx) error {
		p, err = list(tx, l)
		return err
	})
	return p, err
}

// encode writes a key as the client asked for.
func (c *call) encode(key string) string {
	if c.q.Get("encoding-type") != "url" {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

type xmlObject struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *owner `xml:",omitempty"`
}

type xmlPrefix struct{ Prefix string }

func (c *call) contents(p found, withOwner bool) ([]xmlObject, []xmlPrefix) {
	var objects []xmlObject
	for _, v := range p.items {
		o := xmlObject{
			Key: c.encode(v.Key), LastModified: xmlTime(v.Modified), ETag: quote(v.ETag), Size: v.Size, StorageClass: storageClass(v),
			ChecksumAlgorithm: v.Checksum.Algorithm, ChecksumType: v.Checksum.Type,
		}
		if withOwner {
			w := c.owner()
			o.Owner = &w
		}
		objects = append(objects, o)
	}
	return objects, c.prefixes(p)
}

func (c *call) prefixes(p found) (out []xmlPrefix) {
	for _, x := range p.prefixes {
		out = append(out, xmlPrefix{c.encode(x)})
	}
	return out
}

func (c *call) listObjects() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	l.after = c.q.Get("marker")
	p, err := c.page(l)
	if err != nil {
		return err
	}
	out := struct {
		XMLName        struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name           string
		Prefix         string
		Marker         string
		NextMarker     string `xml:",omitempty"`
		MaxKeys        int
		Delimiter      string `xml:",omitempty"`
		EncodingType   string `xml:",omitempty"`
		IsTruncated    bool
		Contents       []xmlObject
		CommonPrefixes []xmlPrefix
	}{
		Name: c.bucket, Prefix: c.encode(l.prefix), Marker: c.encode(l.after), MaxKeys: l.max, Delimiter: c.encode(l.delimiter),
		EncodingType: c.q.Get("encoding-type"), IsTruncated: p.more,
	}
	out.Contents, out.CommonPrefixes = c.contents(p, true)
	if p.more && l.delimiter != "" {
		out.NextMarker = c.encode(p.last)
	}
	return c.xml(http.StatusOK, out)
}

func (c *call) listObjectsV2() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	l.after = c.q.Get("start-after")
	if t := c.q.Get("continuation-token"); c.q.Has("continuation-token") {
		if l.after, err = listPlace(t); err != nil || t == "" {
			return errInvalid("continuation-token", t, "The continuation token provided is incorrect")
		}
	}
	p, err := c.page(l)
	if err != nil {
		return err
	}
	out := struct {
		XMLName               struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name                  string
		Prefix                string
		StartAfter            string `xml:",omitempty"`
		ContinuationToken     string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
		KeyCount              int
		MaxKeys               int
		Delimiter             string `xml:",omitempty"`
		EncodingType          string `xml:",omitempty"`
		IsTruncated           bool
		Contents              []xmlObject
		CommonPrefixes        []xmlPrefix
	}{
		Name: c.bucket, Prefix: c.encode(l.prefix), ContinuationToken: c.q.Get("continuation-token"),
		KeyCount: len(p.items) + len(p.prefixes), MaxKeys: l.max, Delimiter: c.encode(l.delimiter), EncodingType: c.q.Get("encoding-type"), IsTruncated: p.more,
	}
	if out.ContinuationToken == "" { // which counts alone
		out.StartAfter = c.encode(c.q.Get("start-after"))
	}
	out.Contents, out.CommonPrefixes = c.contents(p, c.q.Get("fetch-owner") == "true")
	if p.more {
		out.NextContinuationToken = *listTokens.Token(p.last)
	}
	return c.xml(http.StatusOK, out)
}

// listTokens are the tokens of lists, by which others are told.
const listTokens page.Kind = "\x01"

// listPlace reads a continuation token; "" is the beginning.
func listPlace(token string) (string, error) {
	place, err := listTokens.Place(&token)
	if err != nil {
		return "", errInvalid("continuation-token", token, "The continuation token provided is incorrect")
	}
	return place, nil
}

func (c *call) listVersions() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	l.versions, l.after, l.afterVersion = true, c.q.Get("key-marker"), c.q.Get("version-id-marker")
	if l.afterVersion != "" && l.after == "" {
		return errInvalid("version-id-marker", l.afterVersion, "A version-id marker cannot be specified without a key marker.")
	}
	p, err := c.page(l)
	if err != nil {
		return err
	}
	type versionXML struct {
		Key          string
		VersionID    string `xml:"VersionId"`
		IsLatest     bool
		LastModified string
		ETag         string
		// AWS repeats them here since checksums are always made.
		ChecksumAlgorithm, ChecksumType string `xml:",omitempty"`

		Size         int64
		StorageClass string
		Owner        owner
	}
	type markerXML struct {
		Key          string
		VersionID    string `xml:"VersionId"`
		IsLatest     bool
		LastModified string
		Owner        owner
	}
	out := struct {
		XMLName             struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
		Name                string
		Prefix              string
		KeyMarker           string
		VersionIDMarker     string `xml:"VersionIdMarker"`
		NextKeyMarker       string `xml:",omitempty"`
		NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
		MaxKeys             int
		Delimiter           string `xml:",omitempty"`
		EncodingType        string `xml:",omitempty"`
		IsTruncated         bool
		Version             []versionXML
		DeleteMarker        []markerXML
		CommonPrefixes      []xmlPrefix
	}{
		Name: c.bucket, Prefix: c.encode(l.prefix), KeyMarker: c.encode(l.after), VersionIDMarker: l.afterVersion, MaxKeys: l.max,
		Delimiter: c.encode(l.delimiter), EncodingType: c.q.Get("encoding-type"), IsTruncated: p.more, CommonPrefixes: c.prefixes(p),
	}
	for i, v := range p.items {
		if v.Marker {
			out.DeleteMarker = append(out.DeleteMarker, markerXML{c.encode(v.Key), v.ID, p.latest[i], xmlTime(v.Modified), c.owner()})
			continue
		}
		out.Version = append(out.Version, versionXML{c.encode(v.Key), v.ID, p.latest[i], xmlTime(v.Modified), quote(v.ETag), v.Checksum.Algorithm, v.Checksum.Type, v.Size, storageClass(v), c.owner()})
	}
	if p.more {
		out.NextKeyMarker, out.NextVersionIDMarker = c.encode(p.last), p.lastID
	}
	return c.xml(http.StatusOK, out)
}
