package spec

import (
	"regexp"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// partition is one of AWS's partitions: regions in it look like Regions and its
// host names end in Suffix. From partitions.json of the AWS SDKs.
type partition struct {
	id      string
	regions *regexp.Regexp
	suffix  string
}

var partitions = []partition{
	{"aws", regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d{1,2}$`), "amazonaws.com"},
	{"aws-cn", regexp.MustCompile(`^cn-[a-z]+-\d{1,2}$`), "amazonaws.com.cn"},
	{"aws-us-gov", regexp.MustCompile(`^us-gov-[a-z]+-\d{1,2}$`), "amazonaws.com"},
	{"aws-eusc", regexp.MustCompile(`^eusc-de-[a-z]+-\d{1,2}$`), "amazonaws.eu"},
	{"aws-iso", regexp.MustCompile(`^us-iso-[a-z]+-\d{1,2}$`), "c2s.ic.gov"},
	{"aws-iso-b", regexp.MustCompile(`^us-isob-[a-z]+-\d{1,2}$`), "sc2s.sgov.gov"},
	{"aws-iso-e", regexp.MustCompile(`^eu-isoe-[a-z]+-\d{1,2}$`), "cloud.adc-e.uk"},
	{"aws-iso-f", regexp.MustCompile(`^us-isof-[a-z]+-\d{1,2}$`), "csp.hci.ic.gov"},
}

// Partition returns the partition of a region ("aws" for us-east-1) and the
// suffix of its host names, or "" and "" for what is no region.
func Partition(region string) (id, dnsSuffix string) {
	for _, p := range partitions {
		if p.regions.MatchString(region) {
			return p.id, p.suffix
		}
	}
	return "", ""
}

func checkRegion(region string) *fault.Error {
	if id, _ := Partition(region); id != "" {
		return nil
	}
	return fault.New(fault.Invalid, "region %q is not an AWS region: it must look like us-east-1", region).
		WithHint("Name a region such as us-east-1, eu-central-1 or cn-north-1.")
}
