// Command pipelinetui creates ML inference pipelines on AWS, one Pulumi stack
// per tenant and model, and runs and watches their executions.
package main

import (
	"os"

	"github.com/pipelinetui/pipelinetui/internal/cli"
)

func main() { os.Exit(int(cli.Main(os.Args[1:]))) }
