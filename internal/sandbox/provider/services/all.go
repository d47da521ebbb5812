package services

import "slices"

// AWS returns the resource types of the package aws.
func AWS() []Resource {
	return slices.Concat(
		s3Resources(), iamResources(), logsResources(), lambdaResources(), sagemakerResources(), autoscalingResources(),
		kmsResources(), sqsResources(), eventsResources(), alarmResources(),
	)
}

// Native returns the resource types of the package aws-native.
func Native() []Resource { return stepFunctionsResources() }
