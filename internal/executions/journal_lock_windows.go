package executions

import "os"

// tryLock takes nothing on Windows: there two launches of one batch at the same
// time may both count an execution. It is started once all the same.
func tryLock(*os.File) (bool, error) { return true, nil }
