package s3

import (
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// unset are the families of configurations that have names and that nothing here acts on:
// they can be read as absent and not be set. Each has its root in the answer to a list.
var unset = []struct{ name, root string }{
	{"Metrics", "ListMetricsConfigurationsResult"},
	{"Analytics", "ListBucketAnalyticsConfigurationsResult"},
	{"IntelligentTiering", "ListBucketIntelligentTieringConfigurationsOutput"},
}

// unsetOperations are those that read them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketMetricsConfigurations.html and its sisters
func unsetOperations() map[string]operation {
	out := map[string]operation{}
	for _, u := range unset {
		get, put := wire.On(onBucket).Does("s3:Get"+u.name+"Configuration"), wire.On(onBucket).Does("s3:Put"+u.name+"Configuration")
		out["ListBucket"+u.name+"Configurations"] = operation{func(c *call) error {
			if _, err := c.open(); err != nil {
				return err
			}
			return c.reply(xmlDecl + "<" + u.root + ` xmlns="` + namespace + `"><IsTruncated>false</IsTruncated></` + u.root + ">")
		}, get}
		out["GetBucket"+u.name+"Configuration"] = operation{(*call).noSuchConfiguration, get}
		out["DeleteBucket"+u.name+"Configuration"] = operation{(*call).noSuchConfiguration, put}
	}
	return out
}

func (c *call) noSuchConfiguration() error {
	if _, err := c.open(); err != nil {
		return err
	}
	return errNoConfiguration()
}

func errNoConfiguration() error {
	return fail(http.StatusNotFound, "NoSuchConfiguration", "The specified configuration does not exist.")
}
