package ledger

import "os"

// tryLock takes nothing on Windows: there two programs may now and then count a token for
// one.
func tryLock(*os.File) (bool, error) { return true, nil }
