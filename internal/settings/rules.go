package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(values, ", "))
		}
		return nil
	}
}

func isURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not an http or https URL", v)
	}
	return nil
}

// region is how all regions of all partitions look, those to come included.
var region = lazyregexp.New(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)

func isRegion(v string) error {
	if region.MatchString(v) {
		return nil
	}
	if zone := strings.TrimRight(v, "abcdef"); zone != v && region.MatchString(zone) {
		return fmt.Errorf("%q is an availability zone; its region is %s", v, zone)
	}
	return fmt.Errorf("%q is not a region: it has to look like us-east-1 or eu-central-1", v)
}

func isBool(v string) error {
	if v != "true" && v != "false" {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	return nil
}

func isCount(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of at least 1", v)
	}
	return nil
}

// amount is how an amount of money is written: no sign, no currency, cents at most.
var amount = lazyregexp.New(`^[0-9]{1,9}(\.[0-9]{1,2})?$`)

func isAmount(v string) error {
	if !amount.MatchString(v) {
		return fmt.Errorf("%q is not an amount in USD such as 200 or 99.50", v)
	}
	return nil
}

func isKeep(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 2 || n > 50 {
		return fmt.Errorf("%q is not a number from 2 (one to go back to) to 50 (a stack has all of them in its state)", v)
	}
	return nil
}

func isHaste(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 3600 {
		return fmt.Errorf("%q is not a number from 1 (as on AWS) to 3600 (an hour in a second)", v)
	}
	return nil
}

func isPort(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not a port (1 to 65535)", v)
	}
	return nil
}

func isAccount(v string) error {
	if len(v) != 12 || strings.Trim(v, "0123456789") != "" {
		return fmt.Errorf("%q is not an account id of 12 digits", v)
	}
	return nil
}

func isDuration(v string) error {
	if d, err := time.ParseDuration(v); err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 500ms or 2s", v)
	}
	return nil
}
