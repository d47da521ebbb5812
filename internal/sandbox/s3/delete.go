package s3

import (
	"encoding/xml"
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// deletion names what to delete; with an id that version for good, without one
// the current version, which in a versioned bucket only adds a delete marker.
type deletion struct {
	key, id string
	match   string // If-Match
	req     *wire.Request
}

// deleted tells what a deletion did.
type deleted struct {
	markerID string // of the marker that was added or removed
	marker   bool   // the deletion added or removed a delete marker
	tickets  []courier.Ticket
}

func deleteAction(d deletion) (string, map[string][]string) {
	if d.id != "" {
		return "s3:DeleteObjectVersion", map[string][]string{"s3:VersionId": {d.id}}
	}
	return "s3:DeleteObject", nil
}

// delete runs one deletion in a transaction and returns the data it freed.
// Deleting what is not there succeeds.
func (s *Service) delete(tx *store.Tx, b bucketMeta, d deletion) (out deleted, freed []segment, err error) {
	if d.match != "" {
		if err := (conditions{match: d.match}).check(tx, b.Name, d.key); err != nil {
			return out, nil, err
		}
	}
	id := d.id
	if id == "" && b.Versioning != "" {
		m := &version{Bucket: b.Name, Key: d.key, Marker: true, Modified: s.now(), why: cause{"ObjectRemoved:DeleteMarkerCreated", "DeleteObject", d.req}}
		freed, err = s.insert(tx, b, m)
		return deleted{m.ID, true, m.tickets}, freed, err
	}
	if id == "" {
		id = nullID
	}
	v, err := byID(tx, b.Name, d.key, id)
	if err != nil || v == nil {
		return out, nil, err
	}
	if v.Marker {
		out = deleted{markerID: v.ID, marker: true}
	}
	gone := *v
	if gone.Seq, err = tx.NextSequence(dbVersions); err != nil { // it is later than the object
		return out, nil, err
	}
	if out.tickets, err = s.notices(tx, b, &gone, cause{"ObjectRemoved:Delete", "DeleteObject", d.req}); err != nil {
		return out, nil, err
	}
	return out, v.Segments, remove(tx, v)
}

func (c *call) deleteObject() error {
	d := deletion{c.key, c.q.Get("versionId"), c.h.Header.Get("If-Match"), c.req}
	var out deleted
	var freed []segment
	err := c.s.commit(func(tx *store.Tx) error {
		b, err := getBucket(tx, c.bucket)
		if err != nil {
			return err
		}
		out, freed, err = c.s.delete(tx, b, d)
		return err
	})
	if err != nil {
		return err
	}
	c.s.blobs.remove(freed)
	c.s.courier.Begin(out.tickets...)
	if out.marker {
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	switch {
	case d.id != "":
		c.w.Header().Set("X-Amz-Version-Id", d.id)
	case out.marker:
		c.w.Header().Set("X-Amz-Version-Id", out.markerID)
	}
	return c.noContent()
}

type deletedXML struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteErrorXML struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

// deleteObjects deletes up to 1000 keys, each authorised by itself.
func (c *call) deleteObjects() error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in struct {
		Quiet  bool
		Object []struct {
			Key       string
			VersionID string `xml:"VersionId"`
			ETag      string
		}
	}
	if err := xml.Unmarshal(raw, &in); err != nil || len(in.Object) == 0 || len(in.Object) > maxList {
		return errMalformed()
	}
	b, err := c.s.bucket(c.bucket)
	if err != nil {
		return err
	}
	out := struct {
		XMLName struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deletedXML
		Error   []deleteErrorXML
	}{}
	refuse := func(d deletion, err error) {
		e := refusals.Error(err)
		out.Error = append(out.Error, deleteErrorXML{d.key, d.id, e.Code, e.Message})
	}
	var todo []deletion
	for _, o := range in.Object {
		d := deletion{o.Key, o.VersionID, o.ETag, c.req}
		action, keys := deleteAction(d)
		if err := c.s.authorize(c.ctx(), c.req, b, action, objectARN(b.Scope, c.bucket, d.key), keys); err != nil {
			refuse(d, err)
			continue
		}
		todo = append(todo, d)
	}
	results, errs, err := c.deleteAll(todo)
	if err != nil {
		return err
	}
	for i, d := range todo {
		if errs[i] != nil {
			refuse(d, errs[i])
			continue
		}
		if in.Quiet {
			continue
		}
		x := deletedXML{Key: d.key, VersionID: d.id, DeleteMarker: results[i].marker}
		if results[i].marker {
			x.DeleteMarkerVersionID = results[i].markerID
		}
		out.Deleted = append(out.Deleted, x)
	}
	return c.xml(http.StatusOK, out)
}

// deleteAll runs the deletions in one transaction; errs are those of single
// keys, whose condition failed.
func (c *call) deleteAll(todo []deletion) (results []deleted, errs []error, err error) {
	var freed []segment
	err = c.s.commit(func(tx *store.Tx) error {
		results, errs, freed = make([]deleted, len(todo)), make([]error, len(todo)), nil
		b, err := getBucket(tx, c.bucket)
		if err != nil {
			return err
		}
		for i, d := range todo {
			r, f, err := c.s.delete(tx, b, d)
			if _, own := err.(*wire.Error); own { //nolint:errorlint // never wrapped
				errs[i] = err
				continue
			}
			if err != nil {
				return err
			}
			results[i] = r
			freed = append(freed, f...)
		}
		return nil
	})
	if err == nil {
		c.s.blobs.remove(freed)
		for _, r := range results {
			c.s.courier.Begin(r.tickets...)
		}
	}
	return results, errs, err
}
