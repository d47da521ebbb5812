package s3

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

func (c *call) listParts() error {
	limit, err := c.number("max-parts", maxList)
	if err != nil {
		return err
	}
	limit = min(limit, maxList)
	after, err := c.number("part-number-marker", 0)
	if err != nil {
		return err
	}
	type partXML struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
		checksumXML
	}
	out := struct {
		XMLName              struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket               string
		Key                  string
		UploadID             string `xml:"UploadId"`
		Initiator            owner
		Owner                owner
		StorageClass         string
		ChecksumAlgorithm    string `xml:",omitempty"`
		ChecksumType         string `xml:",omitempty"`
		PartNumberMarker     int
		NextPartNumberMarker int // on the last page, too
		MaxParts             int
		IsTruncated          bool
		Part                 []partXML
	}{Bucket: c.bucket, Key: c.key, Initiator: c.owner(), Owner: c.owner(), PartNumberMarker: after, MaxParts: limit}
	err = c.s.DB.View(func(tx *store.Tx) error {
		u, err := c.upload(tx)
		if err != nil {
			return err
		}
		out.UploadID, out.StorageClass, out.ChecksumAlgorithm, out.ChecksumType = u.ID, storageClass(&u.Version), u.Algorithm, u.SumType
		return tx.Scan(dbParts, u.ID+"\x00", partKey(u.ID, after+1), func(_ string, raw []byte) (bool, error) {
			var p part
			if err := json.Unmarshal(raw, &p); err != nil {
				return false, err
			}
			if len(out.Part) == limit {
				out.IsTruncated = true
				return false, nil
			}
			x := partXML{p.Number, xmlTime(p.Modified), quote(p.ETag), p.Segment.Size, checksumXML{}}
			if u.Algorithm != "" {
				x.checksumXML = p.Checksum.xml()
				x.ChecksumType = ""
			}
			out.Part = append(out.Part, x)
			out.NextPartNumberMarker = p.Number
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	return c.xml(http.StatusOK, out)
}

func (c *call) listUploads() error {
	type uploadXML struct {
		Key               string
		UploadID          string `xml:"UploadId"`
		Initiator         owner
		Owner             owner
		StorageClass      string
		Initiated         string
		ChecksumAlgorithm string `xml:",omitempty"`
		ChecksumType      string `xml:",omitempty"`
	}
	prefix, delimiter := c.q.Get("prefix"), c.q.Get("delimiter")
	limit, err := c.number("max-uploads", maxList)
	if err != nil {
		return err
	}
	limit = min(limit, maxList)
	out := struct {
		XMLName            struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
		Bucket             string
		KeyMarker          string
		UploadIDMarker     string `xml:"UploadIdMarker"`
		NextKeyMarker      string `xml:",omitempty"`
		NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
		Prefix             string
		Delimiter          string `xml:",omitempty"`
		EncodingType       string `xml:",omitempty"`
		MaxUploads         int
		IsTruncated        bool
		Upload             []uploadXML
		CommonPrefixes     []xmlPrefix
	}{
		Bucket: c.bucket, KeyMarker: c.encode(c.q.Get("key-marker")), UploadIDMarker: c.q.Get("upload-id-marker"), Prefix: c.encode(prefix),
		Delimiter: c.encode(delimiter), EncodingType: c.q.Get("encoding-type"), MaxUploads: limit,
	}
	from := ""
	if m := c.q.Get("key-marker"); m != "" {
		from = c.bucket + "\x00" + m + "\x01"
		if id := c.q.Get("upload-id-marker"); id != "" {
			from = versionPrefix(c.bucket, m) + id + "\x00"
		}
	}
	seen := ""
	err = c.s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dbUploads, c.bucket+"\x00"+prefix, from, func(k string, raw []byte) (bool, error) {
			key, id := splitKey(k)
			w := pageWriter{listing: listing{prefix: prefix, delimiter: delimiter}}
			cp := w.commonPrefix(key)
			if cp != "" && (cp == seen || strings.HasPrefix(c.q.Get("key-marker"), cp)) {
				return true, nil
			}
			if len(out.Upload)+len(out.CommonPrefixes) == limit {
				out.IsTruncated = limit > 0
				return false, nil
			}
			out.NextKeyMarker, out.NextUploadIDMarker = c.encode(key), id
			if cp != "" {
				seen = cp
				out.CommonPrefixes = append(out.CommonPrefixes, xmlPrefix{c.encode(cp)})
				return true, nil
			}
			var u upload
			if err := json.Unmarshal(raw, &u); err != nil {
				return false, err
			}
			out.Upload = append(out.Upload, uploadXML{c.encode(key), id, c.owner(), c.owner(), storageClass(&u.Version), xmlTime(u.Started), u.Algorithm, u.SumType})
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	}
	return c.xml(http.StatusOK, out)
}
