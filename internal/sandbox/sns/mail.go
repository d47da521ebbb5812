package sns

import (
	"bytes"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"
)

// toMailbox keeps an e-mail as a file that a person can read, in the form of e-mail. Its
// name begins with the time, so that names are in order.
func (s *Service) toMailbox(d delivery) error {
	x, n := d.Subscription, d.Message
	doc, err := s.document(d)
	if err != nil {
		return err
	}
	subject, text := "AWS Notification Message", n.body(x.Protocol)
	if n.Subject != nil {
		subject = *n.Subject
	}
	switch {
	case d.Kind == confirmation:
		subject = "AWS Notification - Subscription Confirmation"
		text = fmt.Sprintf("You have chosen to subscribe to the topic:\n%s\n\nTo confirm this subscription, visit the following link (if this was in error "+
			"no action is necessary):\n%s", x.Topic, doc["SubscribeURL"])
	case x.Protocol == "email-json":
		raw, err := indented(doc)
		if err != nil {
			return err
		}
		text = raw
	default:
		text += fmt.Sprintf("\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n%s", doc["UnsubscribeURL"])
	}
	var b bytes.Buffer
	for _, line := range [][2]string{
		{"Date", s.now().Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"From", "AWS Notifications <no-reply@sns.amazonaws.com>"},
		{"To", x.Endpoint},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Message-ID", "<" + n.ID + "@sns.amazonaws.com>"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "8bit"},
	} {
		fmt.Fprintf(&b, "%s: %s\n", line[0], strings.NewReplacer("\r", " ", "\n", " ").Replace(line[1]))
	}
	fmt.Fprintf(&b, "\n%s\n", text)
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(s.Dir, fmt.Sprintf("%s-%s-%s.eml", n.At.UTC().Format("20060102T150405.000"), n.ID[:8], x.ID[:8]))
	half, err := os.CreateTemp(s.Dir, ".half-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(half.Name()) }()
	if _, err = half.Write(b.Bytes()); err == nil {
		err = half.Sync()
	}
	if closed := half.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(half.Name(), name)
}
