package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

type inner struct {
	Key   string  `pulumi:"key,required"`
	Level *string `pulumi:"level" default:"INFO" check:"enum=INFO|WARN"`
}

type common struct {
	Tags map[string]string `pulumi:"tags"`
}

type args struct {
	Name   string             `pulumi:"name,required,replace" check:"len=1..8;match=^[a-z]+$"`
	Size   *int               `pulumi:"size" default:"128" check:"min=128;max=1024"`
	Ratio  *float64           `pulumi:"ratio"`
	On     *bool              `pulumi:"on"`
	Policy *string            `pulumi:"policy,policy"`
	Doc    *string            `pulumi:"doc,json"`
	Names  []string           `pulumi:"names,set" check:"items=0..3"`
	Order  []string           `pulumi:"order"`
	Inner  *inner             `pulumi:"inner"`
	Fixed  *inner             `pulumi:"fixed,replace"`
	Many   []inner            `pulumi:"many"`
	Zone   *string            `pulumi:"zone,computed"`
	Code   *schema.Blob       `pulumi:"code,local,archive"`
	Weight map[string]float64 `pulumi:"weight"`
	Mem    *int               `pulumi:"mem" check:"enum=1024|2048"`
	common
}

var typ = schema.Of[args]()

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func computed() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}

func TestCheckCanonical(t *testing.T) {
	t.Parallel()
	got, failures := typ.Check(resource.PropertyMap{
		"name":   resource.MakeSecret(resource.NewStringProperty("abc")),
		"size":   resource.NewStringProperty("256"),
		"on":     resource.NewStringProperty("true"),
		"ratio":  computed(),
		"zone":   resource.NewNullProperty(),
		"policy": resource.NewObjectProperty(props(map[string]any{"Version": "2012-10-17"})),
		"mem":    resource.NewNumberProperty(2048),
	})
	require.Empty(t, failures)
	require.Equal(t, resource.PropertyMap{
		"name":   resource.MakeSecret(resource.NewStringProperty("abc")),
		"size":   resource.NewNumberProperty(256),
		"on":     resource.NewBoolProperty(true),
		"ratio":  computed(),
		"policy": resource.NewStringProperty(`{"Version":"2012-10-17"}`),
		"mem":    resource.NewNumberProperty(2048),
	}, got)
}

func TestCheckFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   map[string]any
		path string
		want string
	}{
		"unknown property": {map[string]any{"colour": "red"}, "colour", `does not support the property "colour"`},
		"unknown below":    {map[string]any{"inner": map[string]any{"x": 1}}, "inner.x", `does not support the property "inner.x"`},
		"in a list":        {map[string]any{"many": []any{map[string]any{"level": "LOUD"}}}, "many[0].level", `expected level to be one of ["INFO" "WARN"], got LOUD`},
		"low":              {map[string]any{"size": 1}, "size", "at least (128), got 1"},
		"high":             {map[string]any{"size": 4096}, "size", "at most (1024), got 4096"},
		"not whole":        {map[string]any{"size": 200.5}, "size", "whole number"},
		"no number":        {map[string]any{"size": "big"}, "size", `got "big"`},
		"long":             {map[string]any{"name": "abcdefghijk"}, "name", "range (1 - 8)"},
		"pattern":          {map[string]any{"name": "A"}, "name", "must match"},
		"kind":             {map[string]any{"inner": "x"}, "inner", "expected an object for inner, got string"},
		"items":            {map[string]any{"names": []any{"a", "b", "c", "d"}}, "names", "supports 3 item maximum"},
		"no json":          {map[string]any{"doc": "{"}, "doc", "invalid JSON"},
		"enum of numbers":  {map[string]any{"mem": 512}, "mem", `["1024" "2048"], got 512`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failures := typ.Check(props(tc.in))
			require.Len(t, failures, 1)
			require.Equal(t, tc.path, failures[0].Property)
			require.Contains(t, failures[0].Reason, tc.want)
		})
	}
}

func TestRequireAndDefaults(t *testing.T) {
	t.Parallel()
	in := props(map[string]any{"inner": map[string]any{}, "many": []any{map[string]any{"key": "k"}}})
	require.Equal(t, []string{"size"}, typ.Defaults(in))
	require.Equal(t, resource.NewNumberProperty(128), in["size"])
	require.Equal(t, resource.NewStringProperty("INFO"), in["many"].ArrayValue()[0].ObjectValue()["level"])
	want := []schema.Failure{
		{Property: "inner.key", Reason: `missing required property "inner.key"`},
		{Property: "name", Reason: `missing required property "name"`},
	}
	require.Empty(t, cmp.Diff(want, typ.Require(in)))

	// A property that is not known yet is there.
	in["name"], in["inner"] = computed(), computed()
	require.Empty(t, typ.Require(in))
}

func TestDiff(t *testing.T) {
	t.Parallel()
	obj := func(kv ...string) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for name, tc := range map[string]struct {
		before, after map[string]any
		want          map[string]string
	}{
		"same":             {obj("name", "a"), obj("name", "a"), nil},
		"update":           {map[string]any{"size": 128}, map[string]any{"size": 256}, map[string]string{"size": "update"}},
		"replace":          {obj("name", "a"), obj("name", "b"), map[string]string{"name": "update-replace"}},
		"zero is absent":   {map[string]any{"on": false, "ratio": 0}, map[string]any{}, nil},
		"delete":           {map[string]any{"ratio": 1}, map[string]any{}, map[string]string{"ratio": "delete"}},
		"computed may go":  {obj("zone", "z"), map[string]any{}, nil},
		"computed changes": {obj("zone", "z"), obj("zone", "y"), map[string]string{"zone": "update"}},
		"set in any order": {map[string]any{"names": []any{"a", "b"}}, map[string]any{"names": []any{"b", "a"}}, nil},
		"list has an order": {
			map[string]any{"order": []any{"a", "b"}},
			map[string]any{"order": []any{"b", "a", "c"}},
			map[string]string{"order[0]": "update", "order[1]": "update", "order[2]": "add"},
		},
		"nested":          {map[string]any{"inner": obj("key", "a")}, map[string]any{"inner": obj("key", "b")}, map[string]string{"inner.key": "update"}},
		"nested replaces": {map[string]any{"fixed": obj("key", "a")}, map[string]any{"fixed": obj("key", "b")}, map[string]string{"fixed.key": "update-replace"}},
		"object goes":     {map[string]any{"fixed": obj("key", "a")}, map[string]any{}, map[string]string{"fixed": "delete-replace"}},
		"tags": {
			map[string]any{"tags": obj("a", "1", "b:c", "2")},
			map[string]any{"tags": obj("b:c", "3", "d", "")},
			map[string]string{"tags.a": "delete", `tags["b:c"]`: "update", "tags.d": "add"},
		},
		"json by meaning":    {obj("doc", `{"a":1,"b":[1.0]}`), obj("doc", "{ \"b\": [1],\n\"a\": 1 }"), nil},
		"json by difference": {obj("doc", `{"a":1}`), obj("doc", `{"a":2}`), map[string]string{"doc": "update"}},
		"element":            {map[string]any{"many": []any{obj("key", "a"), obj("key", "b")}}, map[string]any{"many": []any{obj("key", "a")}}, map[string]string{"many[1]": "delete"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, changes(typ.Diff(props(tc.before), props(tc.after))))
		})
	}
}

func changes(list []schema.Change) map[string]string {
	var out map[string]string
	for _, c := range list {
		if out == nil {
			out = map[string]string{}
		}
		kind := [...]string{"add", "delete", "update"}[c.Kind]
		if c.Replace {
			kind += "-replace"
		}
		out[c.Path.String()] = kind
	}
	return out
}

func TestDiffUnknownAndSecret(t *testing.T) {
	t.Parallel()
	before := props(map[string]any{"name": "a", "size": 128})
	after := resource.PropertyMap{"name": computed(), "size": resource.MakeSecret(resource.NewNumberProperty(128)), "ratio": computed()}
	require.Equal(t, map[string]string{"name": "update-replace", "ratio": "add"}, changes(typ.Diff(before, after)))
}

func TestDiffArchiveByHash(t *testing.T) {
	t.Parallel()
	archive := func(text string) resource.PropertyMap {
		a, err := resource.NewTextAsset(text)
		require.NoError(t, err)
		ar, err := resource.NewAssetArchive(map[string]any{"f": a})
		require.NoError(t, err)
		return resource.PropertyMap{"code": resource.NewArchiveProperty(ar)}
	}
	require.Empty(t, typ.Diff(archive("x"), archive("x")))
	require.Equal(t, map[string]string{"code": "update"}, changes(typ.Diff(archive("x"), archive("y"))))
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	old := resource.PropertyMap{
		"name": resource.NewStringProperty("a"), "doc": resource.NewStringProperty("{ }"),
		"ratio": resource.MakeSecret(resource.NewNumberProperty(1)), "on": resource.NewBoolProperty(false),
		"code": resource.NewStringProperty("kept as it is"), "inner": resource.NewObjectProperty(props(map[string]any{"key": "k"})),
		"tags": resource.NewObjectProperty(props(map[string]any{"a": "1"})), "order": resource.NewArrayProperty(nil),
	}
	live := props(map[string]any{
		"name": "a", "doc": "{}", "ratio": 2, "size": 128, "zone": "z", "mem": 1024,
		"inner": map[string]any{"key": "k", "level": "WARN"}, "tags": map[string]any{"a": "1", "b": "2"},
	})
	require.Equal(t, resource.PropertyMap{
		"name": resource.NewStringProperty("a"), "doc": resource.NewStringProperty("{ }"),
		"ratio": resource.MakeSecret(resource.NewNumberProperty(2)), "on": resource.NewBoolProperty(false),
		"code": resource.NewStringProperty("kept as it is"), "mem": resource.NewNumberProperty(1024),
		"inner": resource.NewObjectProperty(props(map[string]any{"key": "k", "level": "WARN"})),
		"tags":  resource.NewObjectProperty(props(map[string]any{"a": "1", "b": "2"})), "order": resource.NewArrayProperty(nil),
	}, typ.Refresh(old, live))

	// What is gone is not an input any more.
	require.NotContains(t, typ.Refresh(old, props(map[string]any{"name": "a"})), resource.PropertyKey("doc"))
}

func TestImport(t *testing.T) {
	t.Parallel()
	live := props(map[string]any{"name": "a", "size": 128, "zone": "z", "on": false, "inner": map[string]any{"key": "k", "level": "INFO"}})
	require.Equal(t, props(map[string]any{"name": "a", "zone": "z", "inner": map[string]any{"key": "k"}}), typ.Import(live))
}

func TestCodec(t *testing.T) {
	t.Parallel()
	m := props(map[string]any{
		"name": "a", "size": 5, "ratio": 0.5, "on": true, "names": []any{"x"}, "inner": map[string]any{"key": "k"},
		"many": []any{map[string]any{"key": "m"}}, "tags": map[string]any{"t": "v"}, "weight": map[string]any{"1": 0.25},
	})
	var a args
	require.NoError(t, typ.Decode(m, &a))
	require.Equal(t, 5, *a.Size)
	require.Equal(t, "m", a.Many[0].Key)
	require.InDelta(t, 0.25, a.Weight["1"], 0)
	back, err := typ.Encode(&a)
	require.NoError(t, err)
	require.Equal(t, m, back)

	require.Error(t, typ.Decode(m, &inner{}), "another struct")
	var b args
	require.NoError(t, typ.Decode(resource.PropertyMap{"name": resource.MakeSecret(resource.NewStringProperty("s")), "size": computed()}, &b))
	require.Equal(t, "s", b.Name)
	require.Nil(t, b.Size)
}

func TestCarrySecrets(t *testing.T) {
	t.Parallel()
	secret := resource.MakeSecret(resource.NewStringProperty("s"))
	in := resource.PropertyMap{"tags": resource.NewObjectProperty(resource.PropertyMap{"a": secret, "b": resource.NewStringProperty("x")})}
	out := props(map[string]any{"tags": map[string]any{"a": "s", "b": "x"}, "name": "n"})
	require.Equal(t, resource.PropertyMap{"tags": in["tags"], "name": resource.NewStringProperty("n")}, schema.CarrySecrets(out, in))
}

func TestSamePolicy(t *testing.T) {
	t.Parallel()
	const base = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*",` +
		`"Principal":{"AWS":"123456789012"},"Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`
	for name, tc := range map[string]struct {
		other string
		same  bool
	}{
		"orders, lists, case, account": {`{"Statement":{"Sid":"","Effect":"Allow","Resource":["arn:aws:s3:::b/*"],"Action":["s3:putobject","S3:GetObject"],` +
			`"Principal":{"AWS":["arn:aws:iam::123456789012:root"]},"Condition":{"Bool":{"AWS:SecureTransport":[true]}}},"Version":"2012-10-17"}`, true},
		"another action": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",` +
			`"Principal":{"AWS":"123456789012"},"Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`, false},
		"another effect": {`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:GetObject","s3:PutObject"],` +
			`"Resource":"arn:aws:s3:::b/*","Principal":{"AWS":"123456789012"},"Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`, false},
		"not json": {`{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.same, schema.SameText(schema.Policy, base, tc.other))
		})
	}
	require.True(t, schema.SameText(schema.Policy, `{"Statement":[{"Principal":"*"}]}`, `{"Statement":[{"Principal":{"AWS":"*"}}]}`))
	require.False(t, schema.SameText(schema.Plain, "{}", "{ }"))
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:fn"
	require.True(t, schema.SameText(schema.Named, arn, "fn"))
	require.True(t, schema.SameText(schema.Named, "fn", arn))
	require.False(t, schema.SameText(schema.Named, arn, "n"))
	require.False(t, schema.SameText(schema.Named, arn, ""))
	require.False(t, schema.SameText(schema.Named, arn, arn+":live"))
}

func TestEmbeddedLists(t *testing.T) {
	t.Parallel()
	type listed struct {
		Runtime  *string `pulumi:"runtime" check:"enum=@lambda-runtimes"`
		Instance *string `pulumi:"instance" check:"enum=@instance-types"`
		Days     *int    `pulumi:"days" check:"enum=@log-retention"`
	}
	lists := schema.Of[listed]()
	_, ok := lists.Check(props(map[string]any{"runtime": "python3.13", "instance": "ml.m5.large", "days": 30}))
	require.Empty(t, ok)
	_, failures := lists.Check(props(map[string]any{"runtime": "python3.14", "instance": "ml.p6-b200.48xlarge", "days": 31}))
	require.Len(t, failures, 3)
}

// TestKeepComputed: in an update an absent computed property keeps its value, as
// Terraform plans it; one that the program gives, and one that is not computed, do not.
func TestKeepComputed(t *testing.T) {
	t.Parallel()
	typ := schema.Of[struct {
		Key   *string `pulumi:"key,computed"`
		Plain *string `pulumi:"plain"`
		Inner *struct {
			Deep *string `pulumi:"deep,computed"`
			Flat *string `pulumi:"flat"`
		} `pulumi:"inner"`
	}]()
	str := resource.NewStringProperty
	state := resource.PropertyMap{"key": str("k"), "plain": str("p"), "inner": resource.NewObjectProperty(resource.PropertyMap{"deep": str("d"), "flat": str("f")})}
	in := resource.PropertyMap{"inner": resource.NewObjectProperty(resource.PropertyMap{"flat": str("g")})}
	want := resource.PropertyMap{"key": str("k"), "inner": resource.NewObjectProperty(resource.PropertyMap{"deep": str("d"), "flat": str("g")})}
	require.Equal(t, want, typ.KeepComputed(state, in))
	require.Equal(t, str("new"), typ.KeepComputed(state, resource.PropertyMap{"key": str("new")})["key"])
	require.Empty(t, typ.Diff(state, resource.PropertyMap{"plain": str("p"), "inner": state["inner"]}), "and it is no change")
}
