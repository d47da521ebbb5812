package schema

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// The values that the Terraform provider 5.100.0, which is inside pulumi-aws
// 6.83.2, takes at plan time.
var (
	//go:embed lambda_runtimes.json
	lambdaRuntimes []byte
	//go:embed instance_types.json
	instanceTypes []byte
)

// retention is what CloudWatch Logs takes for retentionInDays; 0 keeps for ever.
const retention = "0|1|3|5|7|14|30|60|90|120|150|180|365|400|545|731|1096|1827|2192|2557|2922|3288|3653"

// enumeration returns the values of A|B|C, or of the list @name.
func enumeration(s string) []string {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return strings.Split(s, "|")
	}
	switch name {
	case "lambda-runtimes":
		return decodeList(lambdaRuntimes)
	case "instance-types":
		return decodeList(instanceTypes)
	case "log-retention":
		return strings.Split(retention, "|")
	default:
		panic(fmt.Sprintf("schema: unknown list %q", name))
	}
}

func decodeList(b []byte) []string {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		panic(fmt.Sprintf("schema: embedded list: %v", err))
	}
	return list
}
