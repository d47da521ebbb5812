package asl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// maxLabel is the limit of characters of a distributed Map's label.
const maxLabel = 40

func (p *parser) mapState(n *value.Node, loc string, s *State) {
	m := &MapSpec{ExecutionType: "STANDARD"}
	s.Map = m
	p.processor(n, loc, m)
	if s.QueryLanguage == JSONata {
		if f := n.Get("Items"); f != nil {
			m.Items = p.jsonataTemplate(f, "Items", loc+"/Items")
			if m.Items.Static && !f.IsArray() && !f.IsObject() {
				p.schema(f, loc+"/Items", "Expected value of type Array or Object or a JSONata expression")
			}
		}
	} else {
		m.ItemsPath = p.path(n, loc, "ItemsPath", false)
	}
	m.Selector = p.template(n, loc, s, "ItemSelector")
	if f := n.Get("Parameters"); f != nil { // the older name
		if m.Selector != nil {
			p.schema(f, loc, "There should only be one of the following fields: [ItemSelector, Parameters]")
		}
		m.Selector, s.Parameters = s.Parameters, nil
	}
	m.MaxConcurrency = p.scalar(n, loc, s, "MaxConcurrency", wantInt(0, maxSeconds))
	m.ToleratedFailureCount = p.scalar(n, loc, s, "ToleratedFailureCount", wantInt(0, maxSeconds))
	m.ToleratedFailurePercentage = p.scalar(n, loc, s, "ToleratedFailurePercentage", func(v any) string {
		f, ok := v.(value.Number)
		switch {
		case !ok:
			return "Expected value of type Number"
		case f.Float64() < 0:
			return "Minimum value is 0.0"
		case f.Float64() > 100:
			return "Maximum value is 100.0"
		}
		return ""
	})
	if label, ok := p.text(n, loc, "Label"); ok {
		m.Label = label
		if msg := badLabel(label); msg != "" {
			p.report(n.Get("Label"), CodeLabel, loc+"/Label", "%s", msg)
		}
	}
	p.reader(n, loc, s)
	p.batcher(n, loc, s)
	p.writer(n, loc, s)
	if !m.Distributed {
		for _, name := range []string{"ItemReader", "ItemBatcher", "ResultWriter", "Label"} {
			if f := n.Get(name); f != nil {
				p.schema(f, loc+"/"+name, "The field '%s' is supported in the DISTRIBUTED mode only", name)
			}
		}
	}
}

func badLabel(label string) string {
	switch n := len([]rune(label)); {
	case n == 0:
		return "Label cannot be empty"
	case n > maxLabel:
		return fmt.Sprintf("Label cannot exceed %d characters", maxLabel)
	}
	for _, r := range label {
		if strings.ContainsRune(" \t\n<>{}[]?*\"#%\\^|~`$&,;:/", r) || r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return fmt.Sprintf("Label contains invalid character: '%c'", r)
		}
	}
	return ""
}

func (p *parser) processor(n *value.Node, loc string, m *MapSpec) {
	name := "ItemProcessor"
	f := n.Get(name)
	if old := n.Get("Iterator"); old != nil {
		if f != nil {
			p.schema(n, loc, "There should only be one of the following fields: [ItemProcessor, Iterator]")
		} else {
			name, f = "Iterator", old
		}
	}
	m.Processor = &Workflow{byName: map[string]*State{}}
	if f == nil {
		p.schema(n, loc, "The field 'ItemProcessor' is required but was missing")
		return
	}
	at := loc + "/" + name
	if !p.object(f, at) {
		return
	}
	p.known(f, at, "Comment", "ProcessorConfig", "StartAt", "States")
	if c := f.Get("ProcessorConfig"); c != nil && p.object(c, at+"/ProcessorConfig") {
		p.processorConfig(c, at+"/ProcessorConfig", m)
	}
	inner := *p
	if m.Distributed && m.ExecutionType == "EXPRESS" {
		inner.opts.Express = true
	}
	inner.workflow(m.Processor, f, at)
	p.diags = inner.diags
}

func (p *parser) processorConfig(c *value.Node, loc string, m *MapSpec) {
	p.known(c, loc, "Mode", "ExecutionType")
	if mode, ok := p.text(c, loc, "Mode"); ok {
		m.Distributed = mode == "DISTRIBUTED"
		if mode != "INLINE" && mode != "DISTRIBUTED" {
			p.schema(c.Get("Mode"), loc+"/Mode", "Value must be one of: [DISTRIBUTED, INLINE]")
		}
	}
	if t, ok := p.text(c, loc, "ExecutionType"); ok {
		m.ExecutionType = t
		if t != "STANDARD" && t != "EXPRESS" {
			p.schema(c.Get("ExecutionType"), loc+"/ExecutionType", "Value must be one of: [EXPRESS, STANDARD]")
		}
	} else if m.Distributed {
		p.schema(c, loc, "The field 'ExecutionType' is required but was missing")
	}
	if m.Distributed && p.opts.Express {
		p.schema(c, loc+"/Mode", "Express state machine does not support 'DISTRIBUTED' mode")
	}
}

// arguments parses Parameters or Arguments of a reader or writer.
func (p *parser) arguments(n *value.Node, loc string, s *State) *Template {
	if s.QueryLanguage == JSONata {
		return p.template(n, loc, s, "Arguments")
	}
	return p.template(n, loc, s, "Parameters")
}

func (p *parser) reader(n *value.Node, loc string, s *State) {
	f := n.Get("ItemReader")
	loc += "/ItemReader"
	if f == nil || !p.object(f, loc) {
		return
	}
	r := &ItemReader{Delimiter: "COMMA"}
	s.Map.Reader = r
	p.known(f, loc, "Resource", "Parameters", "Arguments", "ReaderConfig", "Comment")
	p.required(f, loc, "Resource")
	r.Resource, _ = p.text(f, loc, "Resource")
	i, ok := ParseIntegration(r.Resource)
	if f.Get("Resource") != nil && (!ok || i.Service != "s3" || (i.Operation != "getObject" && i.Operation != "listObjectsV2")) {
		p.schema(f.Get("Resource"), loc+"/Resource", "Value must be one of: [arn:aws:states:::s3:getObject, arn:aws:states:::s3:listObjectsV2]")
	}
	r.Parameters = p.arguments(f, loc, s)
	c := f.Get("ReaderConfig")
	loc += "/ReaderConfig"
	if c == nil || !p.object(c, loc) {
		return
	}
	p.known(c, loc, "InputType", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "MaxItems", "MaxItemsPath", "ItemsPointer", "Transformation", "ManifestType")
	r.InputType, _ = p.text(c, loc, "InputType")
	if r.InputType != "" && !slices.Contains([]string{"CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"}, r.InputType) {
		p.schema(c.Get("InputType"), loc+"/InputType", "Value must be one of: [CSV, JSON, JSONL, MANIFEST, PARQUET]")
	}
	if r.InputType != "" && p.opts.Reader != nil {
		if err := p.opts.Reader(r.InputType); err != nil {
			p.schema(c.Get("InputType"), loc+"/InputType", "%s", err)
		}
	}
	if r.Manifest, ok = p.text(c, loc, "ManifestType"); ok && r.Manifest != "S3_INVENTORY" && r.Manifest != "ATHENA_DATA" {
		p.schema(c.Get("ManifestType"), loc+"/ManifestType", "Value must be one of: [ATHENA_DATA, S3_INVENTORY]")
	}
	h, _ := p.text(c, loc, "CSVHeaderLocation")
	r.HeaderFromRow = h == "FIRST_ROW"
	if h != "" && h != "FIRST_ROW" && h != "GIVEN" {
		p.schema(c.Get("CSVHeaderLocation"), loc+"/CSVHeaderLocation", "Value must be one of: [FIRST_ROW, GIVEN]")
	}
	for _, item := range p.list(c, loc, "CSVHeaders") {
		name, ok := item.Value.(string)
		if !ok {
			p.schema(item, loc+"/CSVHeaders", "Expected value of type String")
		}
		r.Headers = append(r.Headers, name)
	}
	if d, ok := p.text(c, loc, "CSVDelimiter"); ok {
		r.Delimiter = d
		if !slices.Contains([]string{"COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"}, d) {
			p.schema(c.Get("CSVDelimiter"), loc+"/CSVDelimiter", "Value must be one of: [COMMA, PIPE, SEMICOLON, SPACE, TAB]")
		}
	}
	r.MaxItems = p.scalar(c, loc, s, "MaxItems", wantInt(0, 100_000_000))
	r.ItemsPointer, _ = p.text(c, loc, "ItemsPointer")
	r.Transform, _ = p.text(c, loc, "Transformation")
	p.readerFields(c, loc, r, h)
}

// readerFields checks which fields of a ReaderConfig go together (measured on AWS:
// github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Validation.ItemReader-*).
func (p *parser) readerFields(c *value.Node, loc string, r *ItemReader, header string) {
	if r.InputType == "CSV" && r.Manifest != "ATHENA_DATA" {
		p.required(c, loc, "CSVHeaderLocation")
	}
	if r.InputType == "CSV" && header == "GIVEN" && c.Get("CSVHeaders") == nil {
		p.schema(c, loc, "These fields are required: [CSVHeaders]")
	}
	if r.InputType != "" && r.InputType != "CSV" {
		for _, f := range []string{"CSVHeaderLocation", "CSVHeaders", "CSVDelimiter"} {
			if n := c.Get(f); n != nil {
				p.schema(n, loc, "Field '%s' is not supported", f)
			}
		}
	}
	if r.Manifest != "" && (r.InputType == "JSON" || r.InputType == "MANIFEST") {
		p.schema(c.Get("ManifestType"), loc, "Field 'ManifestType' is not supported")
	}
	if r.Transform == "LOAD_AND_FLATTEN" {
		p.required(c, loc, "InputType")
	}
	if r.ItemsPointer != "" && r.ItemsPointer[0] != '/' {
		p.schema(c.Get("ItemsPointer"), loc+"/ItemsPointer", "Invalid input: JSON Pointer expression must start with '/': \"%s\"", r.ItemsPointer)
	}
}

func (p *parser) batcher(n *value.Node, loc string, s *State) {
	f := n.Get("ItemBatcher")
	loc += "/ItemBatcher"
	if f == nil || !p.object(f, loc) {
		return
	}
	p.known(f, loc, "MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", "BatchInput", "Comment")
	s.Map.Batcher = &ItemBatcher{
		MaxItems:   p.scalar(f, loc, s, "MaxItemsPerBatch", wantInt(1, 100_000_000)),
		MaxBytes:   p.scalar(f, loc, s, "MaxInputBytesPerBatch", wantInt(1, 262_144)),
		BatchInput: p.template(f, loc, s, "BatchInput"),
	}
}

func (p *parser) writer(n *value.Node, loc string, s *State) {
	f := n.Get("ResultWriter")
	loc += "/ResultWriter"
	if f == nil || !p.object(f, loc) {
		return
	}
	w := &ResultWriter{Transformation: "NONE", OutputType: "JSON"}
	s.Map.Writer = w
	p.known(f, loc, "Resource", "Parameters", "Arguments", "WriterConfig", "Comment")
	w.Resource, _ = p.text(f, loc, "Resource")
	if w.Resource != "" {
		if i, ok := ParseIntegration(w.Resource); !ok || i.Service != "s3" || i.Operation != "putObject" {
			p.schema(f.Get("Resource"), loc+"/Resource", "Value must be one of: [arn:aws:states:::s3:putObject]")
		}
	}
	w.Parameters = p.arguments(f, loc, s)
	c := f.Get("WriterConfig")
	if c == nil || !p.object(c, loc+"/WriterConfig") {
		return
	}
	loc += "/WriterConfig"
	p.known(c, loc, "Transformation", "OutputType")
	if t, ok := p.text(c, loc, "Transformation"); ok {
		w.Transformation = t
		if !slices.Contains([]string{"NONE", "COMPACT", "FLATTEN"}, t) {
			p.schema(c.Get("Transformation"), loc+"/Transformation", "Value must be one of: [COMPACT, FLATTEN, NONE]")
		}
	}
	if t, ok := p.text(c, loc, "OutputType"); ok {
		w.OutputType = t
		if t != "JSON" && t != "JSONL" {
			p.schema(c.Get("OutputType"), loc+"/OutputType", "Value must be one of: [JSON, JSONL]")
		}
	}
}
