//go:build !unix

package frametest

import "time"

func processor() time.Duration { return 0 }
