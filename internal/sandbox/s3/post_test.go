package s3_test

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
)

// postForm sends a form as a browser does.
func postForm(t *testing.T, to string, fields map[string]string, file string) (status int, header http.Header, body string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, value := range fields {
		require.NoError(t, w.WriteField(name, value))
	}
	part, err := w.CreateFormFile("file", "photo.png")
	require.NoError(t, err)
	_, err = io.WriteString(part, file)
	require.NoError(t, err)
	require.NoError(t, w.WriteField("submit", "what follows the file is ignored"))
	require.NoError(t, w.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, &form)
	require.NoError(t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(raw)
}

// What a form may do is what its policy says, with the errors of
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func TestUploadByForm(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	svc, err := s3.New(s3.Config{DB: w.DB, Dir: filepath.Join(t.TempDir(), "s3"), Clock: w.Clock, Auth: w.IAM})
	require.NoError(t, err)
	svc.Register(w.Router)
	client := awss3.NewFromConfig(w.Admin(), func(o *awss3.Options) { o.UsePathStyle = true })
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("photos")})
	require.NoError(t, err)
	sign := func(key string, extra map[string]string, conditions ...any) (string, map[string]string) {
		t.Helper()
		for name, value := range extra {
			conditions = append(conditions, map[string]string{name: value})
		}
		out, err := awss3.NewPresignClient(client).PresignPostObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("photos"), Key: &key}, func(o *awss3.PresignPostOptions) {
			o.Conditions, o.Expires = conditions, time.Hour
		})
		require.NoError(t, err)
		maps.Copy(out.Values, extra)
		return out.URL, out.Values
	}

	to, fields := sign("in/${filename}", map[string]string{"Content-Type": "image/png", "x-amz-meta-by": "ann", "success_action_status": "201"}, []any{"content-length-range", 1, 10})
	status, header, body := postForm(t, to, fields, "pixels")
	require.Equal(t, http.StatusCreated, status, body)
	require.Contains(t, body, "<PostResponse><Location>"+w.URL+"/photos/in/photo.png</Location><Bucket>photos</Bucket><Key>in/photo.png</Key><ETag>")
	require.NotEmpty(t, header.Get("ETag"))
	got, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("in/photo.png")})
	require.NoError(t, err)
	raw, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "pixels", string(raw))
	require.Equal(t, "image/png", *got.ContentType)
	require.Equal(t, map[string]string{"by": "ann"}, got.Metadata)

	for name, bad := range map[string]struct {
		change func(fields map[string]string)
		file   string
		status int
		text   string
	}{
		"too large": {func(map[string]string) {}, "12345678901", 400, "<Code>EntityTooLarge</Code>"},
		"too small": {func(map[string]string) {}, "", 400, "<Code>EntityTooSmall</Code>"},
		"another key": {
			func(f map[string]string) { f["key"] = "other" }, "x", 403,
			`Invalid according to Policy: Policy Condition failed: [&#34;eq&#34;, &#34;$key&#34;, &#34;in/${filename}&#34;]`,
		},
		"more fields":   {func(f map[string]string) { f["x-amz-meta-more"] = "1" }, "x", 403, "Extra input fields: x-amz-meta-more"},
		"ignored field": {func(f map[string]string) { f["x-ignore-it"] = "1" }, "x", 201, "PostResponse"},
		"other policy":  {func(f map[string]string) { f["policy"] = "e30=" }, "x", 403, "<Code>SignatureDoesNotMatch</Code>"},
		"no policy":     {func(f map[string]string) { delete(f, "policy") }, "x", 403, "<Code>AccessDenied</Code>"},
		"no key":        {func(f map[string]string) { delete(f, "key") }, "x", 400, "Bucket POST must contain a field named &#39;key&#39;."},
		"unknown key":   {func(f map[string]string) { f["X-Amz-Credential"] = "AKIAOTHER" + f["X-Amz-Credential"][20:] }, "x", 403, "<Code>InvalidAccessKeyId</Code>"},
	} {
		changed := maps.Clone(fields)
		bad.change(changed)
		status, _, body := postForm(t, to, changed, bad.file)
		require.Equal(t, bad.status, status, "%s: %s", name, body)
		require.Contains(t, body, bad.text, name)
	}

	to, fields = sign("a", map[string]string{"success_action_redirect": "https://example.com/done?x=1"})
	status, header, _ = postForm(t, to, fields, "x")
	require.Equal(t, http.StatusSeeOther, status)
	require.Regexp(t, `^https://example\.com/done\?bucket=photos&etag=%22[0-9a-f]{32}%22&key=a&x=1$`, header.Get("Location"))

	to, fields = sign("b", nil)
	status, _, body = postForm(t, to, fields, "x")
	require.Equal(t, http.StatusNoContent, status, body)
	w.Clock.Advance(2 * time.Hour)
	status, _, body = postForm(t, to, fields, "x")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "Invalid according to Policy: Policy expired.")
}
