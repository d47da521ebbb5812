// Command report reads the predictions of a batch back from S3 and compares
// them with the flowers they were made for. It prints a confusion table and the
// accuracy, and fails below 0.95.
//
//	pipelinetui run acme/iris --inputs flowers.jsonl --wait -o json > batch.json
//	eval "$(pipelinetui sandbox env)"; go run ./examples/iris/report flowers.jsonl batch.json
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// least is the accuracy below which the report fails.
const least = 0.95

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: report FLOWERS.jsonl BATCH.json")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type execution struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Output struct {
		ResultURI string `json:"resultUri"`
	} `json:"output"`
}

func run(ctx context.Context, flowers, batch string, out io.Writer) error {
	truth, err := species(flowers)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(batch)
	if err != nil {
		return err
	}
	var doc struct {
		Executions []execution `json:"executions"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s: %w", batch, err)
	}
	if len(doc.Executions) != len(truth) {
		return fmt.Errorf("%d executions for %d flowers", len(doc.Executions), len(truth))
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	table := map[string]map[string]int{}
	right := 0
	for i, x := range doc.Executions {
		got, err := prediction(ctx, client, x)
		if err != nil {
			return fmt.Errorf("flower %d (execution %s, %s): %w", i+1, x.Name, x.Status, err)
		}
		if table[truth[i]] == nil {
			table[truth[i]] = map[string]int{}
		}
		table[truth[i]][got]++
		if got == truth[i] {
			right++
		}
	}
	accuracy := float64(right) / float64(len(truth))
	show(out, table, right, len(truth), accuracy)
	if accuracy < least {
		return fmt.Errorf("accuracy %.3f is below %.2f", accuracy, least)
	}
	return nil
}

// species reads the true label of each line.
func species(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var flower struct {
			Species string `json:"species"`
		}
		if err := json.Unmarshal(lines.Bytes(), &flower); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(out)+1, err)
		}
		out = append(out, flower.Species)
	}
	return out, nil
}

// prediction reads the object that the pipeline wrote for one execution.
func prediction(ctx context.Context, client *s3.Client, x execution) (string, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(x.Output.ResultURI, "s3://"), "/")
	if !ok {
		return "", fmt.Errorf("no result: %q", x.Output.ResultURI)
	}
	obj, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer obj.Body.Close()
	var doc struct {
		Prediction struct {
			Predictions []struct {
				Label string `json:"label"`
			} `json:"predictions"`
		} `json:"prediction"`
	}
	if err := json.NewDecoder(obj.Body).Decode(&doc); err != nil {
		return "", err
	}
	if len(doc.Prediction.Predictions) != 1 {
		return "", fmt.Errorf("%d predictions in %s", len(doc.Prediction.Predictions), x.Output.ResultURI)
	}
	return doc.Prediction.Predictions[0].Label, nil
}

func show(out io.Writer, table map[string]map[string]int, right, total int, accuracy float64) {
	classes := []string{"setosa", "versicolor", "virginica"}
	fmt.Fprintf(out, "%-14s", "truth \\ model")
	for _, c := range classes {
		fmt.Fprintf(out, "%12s", c)
	}
	fmt.Fprintln(out)
	for _, t := range classes {
		fmt.Fprintf(out, "%-14s", t)
		for _, c := range classes {
			fmt.Fprintf(out, "%12d", table[t][c])
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "accuracy %.3f (%d of %d flowers, predictions read back from S3)\n", accuracy, right, total)
}
