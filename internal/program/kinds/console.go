package kinds

import (
	"net/url"
	"strings"
)

// host is the console's address in a partition.
func (p Place) host() string {
	switch p.Partition {
	case "aws-cn":
		return "https://" + p.Region + ".console.amazonaws.cn"
	case "aws-us-gov":
		return "https://" + p.Region + ".console.amazonaws-us-gov.com"
	default:
		return "https://" + p.Region + ".console.aws.amazon.com"
	}
}

func (p Place) page(path string) string { return p.host() + path + "?region=" + p.Region }

// page is the console's page of a service, with what stands before the id there.
func page(service, before string) func(Place, string) string {
	return func(at Place, id string) string { return at.page(service) + before + url.PathEscape(id) }
}

// query is a page whose id is escaped as a query is, slashes and colons too.
func query(service, before string) func(Place, string) string {
	return func(at Place, id string) string { return at.page(service) + before + url.QueryEscape(id) }
}

// noPage is for what the console shows on the page of what it belongs to.
func noPage(Place, string) string { return "" }

func bucketPage(at Place, id string) string { return at.page("/s3/buckets/" + url.PathEscape(id)) }

// rolePage has no region: IAM has none.
func rolePage(at Place, id string) string {
	return at.host() + "/iam/home#/roles/" + url.PathEscape(id)
}

// logsPage escapes twice and writes $ for %, as the console does.
func logsPage(at Place, id string) string {
	return at.page("/cloudwatch/home") + "#logsV2:log-groups/log-group/" + strings.ReplaceAll(url.QueryEscape(url.QueryEscape(id)), "%", "$")
}
