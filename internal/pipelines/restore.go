package pipelines

import "github.com/pipelinetui/pipelinetui/internal/stack"

// Restored is what took the place of a damaged state.
type Restored struct {
	stack.Copy
	// Aside is where the damaged file is kept.
	Aside string
	// Found are the resources that were made after the copy and are taken over again.
	Found []stack.Resource
	// Foreign says of things with names of the pipeline's resources that they are somebody else's,
	// and were left.
	Foreign []string
	// Unsure is why what was made after the copy was not looked for to the end; nil if it was.
	Unsure error
}
