package console

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
)

// CanPrompt tells whether a question can be asked: both the answers and the
// question must reach a person.
func (c *Console) CanPrompt() bool { return c.InTTY && c.ErrTTY && !c.CI && !c.Dumb }

// Consent refuses what changes something when nobody can be asked and it was not
// agreed to beforehand (--yes). It names the command that was typed.
func (c *Console) Consent(yes bool) error {
	if !yes && (!c.CanPrompt() || c.Machine()) {
		return fault.New(fault.Invalid, "%s needs a confirmation and nobody can be asked here", c.command).
			WithHint("Add --yes to go ahead without asking.")
	}
	return nil
}

// YesNo asks until it is answered. A no, and no answer at all, is fault.Canceled.
// details, if not nil, may be asked for.
func (c *Console) YesNo(ctx context.Context, question string, details func()) error {
	for {
		choices := "yes/no"
		if details != nil {
			choices = "yes/no/details"
		}
		c.Ask(question, choices)
		answer, err := c.ReadLine(ctx)
		if err != nil {
			return err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return nil
		case "n", "no", "":
			return fault.New(fault.Canceled, "nothing was changed")
		case "d", "details":
			if details != nil {
				details()
			}
		}
	}
}

// Ask writes a question.
func (c *Console) Ask(question, choices string) { fmt.Fprintf(c.Err, "%s [%s] ", question, choices) }

// IsYes tells whether an answer agrees.
func IsYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// Answers is where answers are read from. All questions share it, for it reads ahead.
func (c *Console) Answers() *bufio.Reader {
	if c.reader == nil {
		c.reader = bufio.NewReader(c.In)
	}
	return c.reader
}

// NextLine reads a line of the input.
func (c *Console) NextLine() (string, error) {
	line, err := c.Answers().ReadString('\n')
	return strings.TrimSpace(line), err
}

// ReadLine reads one answer; the end of input or a signal counts as a no.
func (c *Console) ReadLine(ctx context.Context) (string, error) {
	text, err := outside.Do(ctx, "an answer", c.NextLine)
	if err == nil || text != "" {
		return text, nil
	}
	fmt.Fprintln(c.Err)
	if ctx.Err() != nil {
		return "", fault.New(fault.Canceled, "interrupted")
	}
	return "", fault.New(fault.Canceled, "no answer was given")
}
