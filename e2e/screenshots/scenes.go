package main

// scenes are the pictures of the documentation, in the order of a working day. The
// texts that are waited for are there at every size.
func scenes() []scene {
	home := []step{until(`acme +iris .*ready`), until(`globex +churn .*failed`), gone("reading")}
	from := func(steps ...step) []step { return append(home[:len(home):len(home)], steps...) }
	// iris is the third row, flowers the first.
	iris := func(steps ...step) []step {
		return from(append([]step{press("j"), press("j"), press("enter"), until("1 Overview"), until("InService")}, steps...)...)
	}
	return []scene{
		{name: "home", steps: from(until("InService"), picture("home"))},
		{name: "help", steps: from(press("?"), until("─ Keys ─"), picture("help"))},
		{name: "palette", steps: from(press(":"), until("─ Command ─"), typed("iris"), until("open the pipeline"), picture("palette"))},
		{name: "wizard", steps: from(press("n"), until("What kind of pipeline"), picture("wizard-templates"),
			press("down"), press("enter"), until("Who the pipeline belongs to"), typed("initech"), press("enter"), typed("demand"),
			until("ptui-initech-demand-dev"), press("ctrl+n"), until("Container image"), typed("sandbox/linear"), press("enter"),
			until("Model archive"), typed("examples/iris/model.tar.gz"), press("ctrl+n"), until("instanceType"), until("✔ complete"), picture("wizard-form"),
			press("ctrl+s"), until("Ready to create"), until("While idle|by the hour"), until("questions asked"), picture("wizard-review"),
			press("enter"), until("Apply to initech/demand"), picture("deploy-preview"),
			press("y"), until("Creating|creating|[1-9][0-9]? of [0-9]+"), picture("deploy-progress"),
			until("up initech/demand: .*created"), picture("deploy-done"), press("esc")), after: []string{"destroy", "initech/demand", "--yes"}},
		{name: "replace", steps: from(press("j"), press("j"), press("e"), until("Change acme/iris"), until("Container image"),
			press("ctrl+n"), until("endpointKind"), press("right"), until("serverless"), press("ctrl+s"), until("Ready"), press("enter"),
			until("downtime"), picture("deploy-replace"))},
		{name: "pipeline", steps: iris(picture("pipeline-overview"), press("2"), until("states-role"), picture("pipeline-resources"),
			press("3"), until("order-1044"), picture("pipeline-executions"), press("4"), until("succeeded"), picture("pipeline-updates"),
			press("5"), until("CheckPayload"), picture("pipeline-definition"), press("7"), until("TaskFailed"), picture("pipeline-logs"),
			press("8"), until(`endpoint\.invocations +[0-9]`), picture("pipeline-health"), press("9"), until("virginica|setosa|versicolor"), picture("pipeline-results"))},
		{name: "execution", steps: iris(press("3"), until("STATUS +NAME"), until("failed +order-1043"), press("j"), press("enter"), until("InvalidFlower"),
			until("CheckPayload"), picture("execution-graph"),
			press("2"), until("Preprocess"), picture("execution-timeline"), press("3"), until("TaskStateEntered|ExecutionFailed"), picture("execution-events"),
			press("4"), until("sepal_width"), picture("execution-data"))},
		{name: "fleet", steps: from(press("X"), until("order-1044"), press("c"), until("InvalidFlower"), gone("reading"), picture("fleet"))},
		{name: "map run", steps: from(press("enter"), until("1 Overview"), press("3"), until("STATUS +NAME"), until("failed +flowers-nov"), press("enter"), until("ScoreDataset"),
			press("5"), until("items"), until("InvalidFlower: flower"), picture("execution-map-run"))},
		{name: "destroy", steps: from(press("j"), press("j"), press("D"), until("Delete acme/iris"), press("y"), until("go ahead"), picture("destroy"))},
	}
}
