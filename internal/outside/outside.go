// Package outside owns how the program reads what others give it: files that may
// lie on a mount which is dead, pipes that nobody writes to, standard input, text in
// any encoding. No read holds a program up that was told to stop. It may import
// fault only.
package outside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Do runs f, which reads from outside, and returns what it returned; or, as soon
// as ctx ends, an error of kind Canceled. f goes on in the background then, and
// must not touch what its caller uses. A read(2) cannot be interrupted otherwise.
func Do[T any](ctx context.Context, what string, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if ctx.Err() != nil {
		return none, stopped(ctx, what)
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, stopped(ctx, what)
	}
}

func stopped(ctx context.Context, what string) error {
	return fault.New(fault.Canceled, "stopped while reading %s", what).Because(ctx.Err())
}

// ReadFile reads a file, or all of a pipe, of at most limit bytes (0: no limit).
// The error is that of FileFault.
func ReadFile(ctx context.Context, what, path string, limit int64) ([]byte, error) {
	return Do(ctx, path, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, FileFault(what, path, err)
		}
		defer f.Close()
		raw, err := readAll(f, limit)
		if err != nil {
			return nil, FileFault(what, path, err)
		}
		return raw, nil
	})
}

// ReadAll reads a stream to its end, at most limit bytes (0: no limit) and one more
// that tells of the rest.
func ReadAll(ctx context.Context, what string, r io.Reader, limit int64) ([]byte, error) {
	return Do(ctx, what, func() ([]byte, error) {
		raw, err := readAll(r, limit)
		if err != nil {
			return nil, fault.New(fault.Invalid, "read %s: %s", what, fault.Reason(err)).Because(err)
		}
		return raw, nil
	})
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	return io.ReadAll(r)
}

// FileFault says why a file could not be read, with the way out that fits: a path
// that is wrong is another thing than a file that may not be read.
func FileFault(what, path string, err error) *fault.Error {
	f := fault.New(fault.Invalid, "%s %s cannot be read: %s", what, path, fault.Reason(err)).Because(err)
	var dead *fault.DeadLink
	switch {
	case errors.As(fault.Reason(err), &dead):
		return f.WithHint("Mend the link, or name the file that is meant.")
	case errors.Is(err, fs.ErrNotExist):
		return f.WithHint("Check the path: there is no such file.")
	case errors.Is(err, fs.ErrPermission):
		return f.WithHint("Its permissions, or those of a folder above it, do not let you read it: look with `ls -ld %s`, or ask its owner.", path)
	case errors.Is(err, syscall.EISDIR):
		return f.WithHint("That is a folder: name a file in it.")
	case errors.Is(err, syscall.ENOTDIR):
		return f.WithHint("Check the path: a part of it before the last is a file, not a folder.")
	case errors.Is(err, syscall.ELOOP):
		return f.WithHint("Check the path: its symbolic links lead in a circle.")
	}
	return f.WithHint("The system could not read it: check the disk or the mount that it lies on.")
}

// WriteFault says why a file or folder that the user has named could not be written, with
// the way out that fits.
func WriteFault(what, path string, err error) *fault.Error {
	f := fault.New(fault.Invalid, "%s %s cannot be written: %s", what, path, fault.Reason(err)).Because(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.WithHint("Check the path: a folder of it is not there, or takes no files.")
	case errors.Is(err, fs.ErrExist):
		return f.WithHint("It is there already: choose another name.")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return f.WithHint("You may not write there: choose another place, or ask its owner.")
	case errors.Is(err, syscall.ENOTDIR):
		return f.WithHint("Check the path: a part of it before the last is a file, not a folder.")
	case errors.Is(err, syscall.EISDIR):
		return f.WithHint("That is a folder: name a file in it.")
	case errors.Is(err, syscall.ENAMETOOLONG):
		return f.WithHint("Choose a shorter name.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return f.WithHint("The disk is full: make room, or choose another place.")
	}
	return f.WithHint("Choose another place.")
}

// Vacant refuses a file to write that is there already: a Conflict.
func Vacant(ctx context.Context, file string) error {
	_, err := Do(ctx, file, func() (fs.FileInfo, error) { return os.Lstat(file) })
	switch {
	case err == nil:
		return fault.New(fault.Conflict, "%s exists already", file).WithHint("Choose another name.")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fault.Canceled):
		return err
	}
	return WriteFault("the file", file, err)
}

// mark is the byte order mark of UTF-8, which editors and spreadsheets write.
const mark = "\xef\xbb\xbf"

// Text returns what a file holds as UTF-8 without a byte order mark. Other
// encodings are refused by name: what is not known would be guessed, and data
// arrive as they were not meant. name is that of the file.
func Text(name string, raw []byte) ([]byte, error) {
	if err := CheckEncoding(name, raw); err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte(mark))
	if utf8.Valid(raw) {
		return raw, nil
	}
	line := 1
	for text := raw; ; {
		one, rest, more := bytes.Cut(text, []byte{'\n'})
		if !utf8.Valid(one) {
			return nil, NotUTF8(name, line)
		}
		if !more {
			return raw, nil
		}
		text, line = rest, line+1
	}
}

// NotUTF8 refuses a line in another encoding.
func NotUTF8(name string, line int) *fault.Error {
	return fault.New(fault.Invalid, "%s:%d: this line is not UTF-8", name, line).
		WithHint("Save the file as UTF-8; it may be in Latin-1 or Windows-1252 (`iconv -f WINDOWS-1252 -t UTF-8`).")
}

// encodings are told by how a file begins. (unicode.org/faq/utf_bom.html: FF FE 00 00
// comes before FF FE.) A text that begins with ASCII characters and has no mark is
// told by its zero bytes.
var encodings = []struct{ begins, name string }{
	{"\xff\xfe\x00\x00", "UTF-32"},
	{"\x00\x00\xfe\xff", "UTF-32"},
	{"\xff\xfe", "UTF-16"},
	{"\xfe\xff", "UTF-16"},
	{"\x1f\x8b", "compressed with gzip"},
	{"PK\x03\x04", "a ZIP archive (a spreadsheet is one too)"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd"},
	{"BZh", "compressed with bzip2"},
	{"\xfd7zXZ\x00", "compressed with xz"},
	{"\xd0\xcf\x11\xe0", "an old Excel or Word file"},
	{"PAR1", "a Parquet file"},
	{"Obj\x01", "an Avro file"},
}

// CheckEncoding refuses what begins as a file in another encoding or form does.
func CheckEncoding(name string, begin []byte) error {
	for _, e := range encodings {
		if bytes.HasPrefix(begin, []byte(e.begins)) {
			return wrongEncoding(name, e.name)
		}
	}
	if len(begin) >= 4 && (begin[0] == 0) != (begin[1] == 0) && (begin[0] == 0) == (begin[2] == 0) && (begin[1] == 0) == (begin[3] == 0) {
		return wrongEncoding(name, "UTF-16")
	}
	return nil
}

func wrongEncoding(name, encoding string) error {
	hint := "Unpack or export it as UTF-8 text first."
	if strings.HasPrefix(encoding, "UTF-") {
		hint = fmt.Sprintf("Save it as UTF-8 (in PowerShell: Out-File -Encoding utf8; elsewhere: iconv -f %s -t UTF-8).", encoding)
	}
	return fault.New(fault.Invalid, "%s is %s, not UTF-8 text", name, encoding).WithHint("%s", hint)
}
