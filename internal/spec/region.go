package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// partition is one of AWS's partitions: regions in it look like form, and its host
// names end in suffix. From partitions.json of the AWS SDKs.
type partition struct {
	id      string
	form    *lazyregexp.Regexp
	suffix  string
	regions []string // those that there are
}

var partitions = []partition{
	{"aws", lazyregexp.New(`^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d{1,2}$`), "amazonaws.com", strings.Fields(`
		af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
		ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 eu-central-1
		eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1
		me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2`)},
	{"aws-cn", lazyregexp.New(`^cn-[a-z]+-\d{1,2}$`), "amazonaws.com.cn", []string{"cn-north-1", "cn-northwest-1"}},
	{"aws-us-gov", lazyregexp.New(`^us-gov-[a-z]+-\d{1,2}$`), "amazonaws.com", []string{"us-gov-east-1", "us-gov-west-1"}},
	{"aws-eusc", lazyregexp.New(`^eusc-de-[a-z]+-\d{1,2}$`), "amazonaws.eu", []string{"eusc-de-east-1"}},
	{"aws-iso", lazyregexp.New(`^us-iso-[a-z]+-\d{1,2}$`), "c2s.ic.gov", []string{"us-iso-east-1", "us-iso-west-1"}},
	{"aws-iso-b", lazyregexp.New(`^us-isob-[a-z]+-\d{1,2}$`), "sc2s.sgov.gov", []string{"us-isob-east-1", "us-isob-west-1"}},
	{"aws-iso-e", lazyregexp.New(`^eu-isoe-[a-z]+-\d{1,2}$`), "cloud.adc-e.uk", []string{"eu-isoe-west-1"}},
	{"aws-iso-f", lazyregexp.New(`^us-isof-[a-z]+-\d{1,2}$`), "csp.hci.ic.gov", []string{"us-isof-east-1", "us-isof-south-1"}},
}

// Partition returns the partition of a region ("aws" for us-east-1) and the
// suffix of its host names, or "" and "" for what is no region.
func Partition(region string) (id, dnsSuffix string) {
	for _, p := range partitions {
		if p.form.MatchString(region) {
			return p.id, p.suffix
		}
	}
	return "", ""
}

// Regions are the regions of a partition that this version knows.
func Regions(partition string) []string {
	for _, p := range partitions {
		if p.id == partition {
			return slices.Clone(p.regions)
		}
	}
	return nil
}

// checkRegion refuses what is no region of any partition. The providers have such a
// list themselves and take no other region.
func checkRegion(at pos, region string) *Problem {
	var all []string
	for _, p := range partitions {
		if slices.Contains(p.regions, region) {
			return nil
		}
		all = append(all, p.regions...)
	}
	e := textNode(at, region).problem(CodeRegion, "region %q is not an AWS region: it must look like us-east-1", region)
	if id, _ := Partition(region); id != "" {
		e.Msg = fmt.Sprintf("region %q is in no partition of AWS", region)
	}
	if s := nearest(region, all); s != "" {
		return e.WithHint("Did you mean %q?", s)
	}
	return e.WithHint("Name a region such as us-east-1, eu-central-1 or cn-north-1.")
}

// nearest is the one region that a wrong one was probably meant to be: another
// number is no misspelling.
func nearest(region string, all []string) string {
	letters := func(s string) string { return strings.TrimRight(s, "-0123456789") }
	best := suggest(strings.ToLower(region), all)
	if id, _ := Partition(region); id != "" && letters(best) == letters(region) {
		return ""
	}
	return best
}
