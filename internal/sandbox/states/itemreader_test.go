package states_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	return w.EncodeAll([]byte(text), nil)
}

// Every reader and format yields the items that it must, in order; what it cannot
// read fails the Map with States.ItemReaderFailed and a reason.
func TestItemReaders(t *testing.T) {
	t.Parallel()
	const inventory = `{"sourceBucket":"src","destinationBucket":"arn:aws:s3:::b","version":"2016-11-30","fileFormat":"%s","fileSchema":"Bucket, Key, Size",
		"files":[{"key":"inv/data/1.csv.gz","size":1},{"key":"inv/data/2.csv.gz","size":1}]}`
	objects := map[string][]byte{
		"list.json": []byte(`[1,"two",{"three":3}]`), "deep.json": []byte(`{"a":{"b/c":[4,5]}}`), "object.json": []byte(`{"x":1}`), "bad.json": []byte(`[1,`),
		"lines.jsonl": []byte("{\"a\":1}\n\n[2]\n\"x\""), "lines.jsonl.gz": gzipped(t, "1\n2\n"), "bad.jsonl": []byte("1\n{\n"), "no.jsonl.gz": []byte("1\n"),
		"lines.jsonl.zst": zstandard(t, "3\n4\n"), "no.jsonl.zst": []byte("1\n"),
		"head.csv": []byte("id,name\n1,\"a,\"\"b\"\"\"\n2\n"), "pipe.csv": []byte("1|x\n2|y\n3|z\n"), "twice.csv": []byte("id,id\n1,2\n"), "none.csv": {},
		"inv/manifest.json": fmt.Appendf(nil, inventory, "CSV"), "inv/orc.json": fmt.Appendf(nil, inventory, "ORC"), "inv/parquet.json": fmt.Appendf(nil, inventory, "Parquet"),
		"inv/data/1.csv.gz": gzipped(t, "\"src\",\"k%2F1\",\"10\"\n\"src\",\"k2\",\"20\"\n"), "inv/data/2.csv.gz": gzipped(t, "\"src\",\"k3\",\"30\"\n"),
		"flat/1.jsonl": []byte("1\n2\n"), "flat/2.jsonl": []byte("3\n"), "flatcsv/1.csv": []byte("n\n1\n"), "flatcsv/2.csv": []byte("n\n2\n3\n"),
		"text.json": []byte(`"x"`), "mark.json": []byte("\ufeff[1]"), "mark.jsonl": []byte("\ufeff1\n2\n"), "mark.csv": []byte("\ufeffid\r\n1\r\n"),
		"escapes.csv": []byte("path,size\nD:\\\\Data\\\\m.bin,12\nreport\\, final,3\n{\"\"Kind\"\":\"\"rose\"\"},4\n"),
		"open.csv":    []byte("a\n\"b\n"), "utf16.csv": []byte("\xff\xfea\x00"),
		"packed.json": gzipped(t, "[1]"), "packed.csv": zstandard(t, "a\n1\n"),
		"half.jsonl.gz": gzipped(t, "1\n2\n")[:16], "half.json.zst": zstandard(t, "[3,4]")[:9], "long.jsonl.gz": gzipped(t, "1\n"+strings.Repeat("a", 8<<20+70_000)),
		"order.csv": []byte("0,True,{}\na,b,c\n"),
		"long.txt":  []byte("s3://b/flat/1.jsonl\n" + strings.Repeat("a", 70_000)),
		"uris.csv":  []byte("s3://b/flat/1.jsonl\ns3://b/flat/2.jsonl\n"),
	}
	const get, list = "getObject", "listObjectsV2"
	for name, c := range map[string]struct{ op, params, config, want, cause string }{
		"json":             {get, `"Key":"list.json"`, `{"InputType":"JSON"}`, `[1,"two",{"three":3}]`, ""},
		"json, compressed": {get, `"Key":"packed.json"`, `{"InputType":"JSON"}`, "", "The object packed.json is compressed with gzip, but its key does not end with .gz."},
		"csv, compressed": {
			get, `"Key":"packed.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "",
			"The object packed.csv is compressed with zstd, but its key does not end with .zst.",
		},
		"json pointer":        {get, `"Key":"deep.json"`, `{"InputType":"JSON","ItemsPointer":"/a/b~1c"}`, `[4,5]`, ""},
		"json object":         {get, `"Key":"object.json"`, `{"InputType":"JSON"}`, `[1]`, ""},
		"json pointed object": {get, `"Key":"deep.json"`, `{"InputType":"JSON","ItemsPointer":"/a"}`, `[[4,5]]`, ""},
		"json text":           {get, `"Key":"text.json"`, `{"InputType":"JSON"}`, "", "Attempting to map over non-iterable node."},
		"json with a mark":    {get, `"Key":"mark.json"`, `{"InputType":"JSON"}`, `[1]`, ""},
		"jsonl with a mark":   {get, `"Key":"mark.jsonl"`, `{"InputType":"JSONL"}`, `[1,2]`, ""},
		// As recorded against AWS: see hashOrder.
		"csv, order of members": {get, `"Key":"order.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, `[{"0":"a","{}":"c","True":"b"}]`, ""},
		"csv, an empty head":    {get, `"Key":"order.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["H1",""]}`, `[{"":"True","H1":"0"},{"":"b","H1":"a"}]`, ""},
		"csv with a mark":       {get, `"Key":"mark.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, `[{"id":"1"}]`, ""},
		"csv escapes": {
			get, `"Key":"escapes.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`,
			`[{"path":"D:\\Data\\m.bin","size":"12"},{"path":"report, final","size":"3"},{"path":"{\"Kind\":\"rose\"}","size":"4"}]`, "",
		},
		"csv open quote":  {get, `"Key":"open.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "", "line 2: a quote is not closed"},
		"csv utf-16":      {get, `"Key":"utf16.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "", "UTF-16"},
		"csv longer rows": {get, `"Key":"pipe.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["n"],"CSVDelimiter":"PIPE","MaxItems":1}`, `[{"n":"1"}]`, ""},
		"csv twice given": {get, `"Key":"pipe.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["n","n"]}`, "", "CSV headers cannot contain duplicates."},
		"json bad":        {get, `"Key":"bad.json"`, `{"InputType":"JSON"}`, "", "Attempting to map over invalid JSON"},
		"json no pointer": {get, `"Key":"deep.json"`, `{"InputType":"JSON","ItemsPointer":"/a/z"}`, "", "/a/z"},
		"no key":          {get, `"Key":"nothing"`, `{"InputType":"JSON"}`, "", "The specified key does not exist. (Service: S3, Status Code: 404"},
		"jsonl":           {get, `"Key":"lines.jsonl"`, `{"InputType":"JSONL"}`, `[{"a":1},[2],"x"]`, ""},
		"jsonl gzip":      {get, `"Key":"lines.jsonl.gz"`, `{"InputType":"JSONL"}`, `[1,2]`, ""},
		"jsonl no gzip":   {get, `"Key":"no.jsonl.gz"`, `{"InputType":"JSONL"}`, "", "not valid gzip"},
		"jsonl zstd":      {get, `"Key":"lines.jsonl.zst"`, `{"InputType":"JSONL"}`, `[3,4]`, ""},
		"jsonl no zstd":   {get, `"Key":"no.jsonl.zst"`, `{"InputType":"JSONL"}`, "", "The object no.jsonl.zst is not valid zstd"},
		"jsonl half gzip": {get, `"Key":"half.jsonl.gz"`, `{"InputType":"JSONL"}`, "", "The object half.jsonl.gz is not valid gzip: it is damaged, or not all of it is there."},
		"jsonl half zstd": {get, `"Key":"half.json.zst"`, `{"InputType":"JSON"}`, "", "The object half.json.zst is not valid zstd"},
		"jsonl long":      {get, `"Key":"long.jsonl.gz"`, `{"InputType":"JSONL"}`, "", "Line 2 of s3://b/long.jsonl.gz is larger than 8 MB."},
		"athena long":     {get, `"Key":"long.txt"`, `{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}`, "", "Line 2 of the manifest is not the URI of an object"},
		"jsonl bad":       {get, `"Key":"bad.jsonl"`, `{"InputType":"JSONL"}`, "", "Line 2"},
		"jsonl two":       {get, `"Key":"lines.jsonl"`, `{"InputType":"JSONL","MaxItems":2}`, `[{"a":1},[2]]`, ""},
		"csv first row":   {get, `"Key":"head.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, `[{"id":"1","name":"a,\"b\""},{"id":"2","name":""}]`, ""},
		"csv given": {get, `"Key":"pipe.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["n","c"],` +
			`"CSVDelimiter":"PIPE","MaxItems":2}`, `[{"n":"1","c":"x"},{"n":"2","c":"y"}]`, ""},
		"csv max by path": {get, `"Key":"pipe.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["n","c"],"CSVDelimiter":"PIPE",` +
			`"MaxItemsPath":"$.max"}`, `[{"n":"1","c":"x"}]`, ""},
		"csv twice": {get, `"Key":"twice.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "", "CSV headers cannot contain duplicates."},
		"csv empty": {get, `"Key":"none.csv"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "", "no header row"},
		"inventory": {
			get, `"Key":"inv/manifest.json"`, `{"InputType":"MANIFEST"}`,
			`[{"Bucket":"src","Key":"k%2F1","Size":"10"},{"Bucket":"src","Key":"k2","Size":"20"},{"Bucket":"src","Key":"k3","Size":"30"}]`, "",
		},
		"inventory two": {get, `"Key":"inv/manifest.json"`, `{"InputType":"MANIFEST","MaxItems":1}`, `[{"Bucket":"src","Key":"k%2F1","Size":"10"}]`, ""},
		"inventory by type": {
			get, `"Key":"inv/manifest.json"`, `{"ManifestType":"S3_INVENTORY"}`,
			`[{"Bucket":"src","Key":"k%2F1","Size":"10"},{"Bucket":"src","Key":"k2","Size":"20"},{"Bucket":"src","Key":"k3","Size":"30"}]`, "",
		},
		"inventory orc":     {get, `"Key":"inv/orc.json"`, `{"InputType":"MANIFEST"}`, "", "ORC"},
		"inventory parquet": {get, `"Key":"inv/parquet.json"`, `{"InputType":"MANIFEST"}`, "", "Parquet"},
		"inventory of none": {get, `"Key":"bad.json"`, `{"InputType":"MANIFEST"}`, "", "manifest"},
		"athena":            {get, `"Key":"uris.csv"`, `{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}`, `[1,2,3]`, ""},
		"listing":           {list, `"Prefix":"flat/"`, `{}`, `["flat/1.jsonl","flat/2.jsonl"]`, ""},
		"listing two":       {list, `"Prefix":"flat/"`, `{"MaxItems":1}`, `["flat/1.jsonl"]`, ""},
		"listing nothing":   {list, `"Prefix":"zzz/"`, `{}`, `[]`, ""},
		"flatten":           {list, `"Prefix":"flat/"`, `{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN"}`, `[1,2,3]`, ""},
		"flatten csv": {
			list, `"Prefix":"flatcsv/"`, `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","Transformation":"LOAD_AND_FLATTEN"}`,
			`[{"n":"1"},{"n":"2"},{"n":"3"}]`, "",
		},
		"flatten and enough":  {list, `"Prefix":"flat/"`, `{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN","MaxItems":2}`, `[1,2]`, ""},
		"items beyond a page": {list, `"Prefix":"flat"`, `{"MaxItems":3}`, `["flat/1.jsonl","flat/2.jsonl","flatcsv/1.csv"]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.s3.all["b"] = objects })
			item := `"ItemSelector":{"v.$":"$$.Map.Item.Value"},`
			path := "$.v"
			if c.op == list && c.want != "" && c.want[1] == '"' {
				path = "$.v.Key"
			}
			m := w.machine("m", fmt.Sprintf(`{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,%s
				"ItemReader":{"Resource":"arn:aws:states:::s3:%s","Parameters":{"Bucket":"b",%s},"ReaderConfig":%s},
				"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","OutputPath":"%s","End":true}}}}}}`,
				item, c.op, c.params, c.config, path))
			got := w.await(w.start(m, "e", `{"max":1}`))
			if c.cause != "" {
				require.Equal(t, "States.ItemReaderFailed", got["error"], "%v", got)
				require.Contains(t, got["cause"], c.cause)
				return
			}
			require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
			require.JSONEq(t, c.want, got["output"].(string))
		})
	}
}

// A reader that the sandbox lacks is refused when the machine is made, not in the
// middle of an execution.
func TestParquetIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.call("CreateStateMachine", map[string]any{"name": "m", "roleArn": roleARN, "definition": `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
		"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"},"ReaderConfig":{"InputType":"PARQUET"}},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}`})
	require.Equal(t, 400, r.status)
	require.Equal(t, "InvalidDefinition", r.body["__type"])
	require.Contains(t, r.body["message"], "PARQUET")
	require.Contains(t, r.body["message"], "/States/M/ItemReader/ReaderConfig/InputType")
}
