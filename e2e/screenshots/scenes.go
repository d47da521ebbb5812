package main

// scenes are the pictures of the documentation, in the order of a working day.
func scenes() []scene {
	ready := []step{until(`acme +iris .*InService`), until(`globex +churn .*incomplete`), gone("reading")}
	return []scene{
		{"home", append(ready, picture("home"))},
	}
}
