package spec

// Planned is one resource that a pipeline will have.
type Planned struct {
	// Block is the block that makes it.
	Block string `json:"block"`
	// Type and Name are what the engine calls it:
	// "aws:s3/bucketV2:BucketV2" and "data".
	Type string `json:"type"`
	Name string `json:"name"`
	// AWSName is its name in the account, "" if it has none or gets one when it
	// is made.
	AWSName string `json:"awsName,omitempty"`
	// Idle says what it costs while nothing runs, "" if it costs by use only.
	Idle string `json:"idle,omitempty"`
}
