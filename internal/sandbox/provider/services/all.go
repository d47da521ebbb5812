package services

import "slices"

// AWS returns the resource types of the package aws.
func AWS() []Resource {
	return slices.Concat(
		s3Resources(), iamResources(), logsResources(), lambdaResources(), sagemakerResources(), autoscalingResources(),
		kmsResources(), snsResources(), sqsResources(), eventsResources(), alarmResources(), schedulerResources(),
		ssmResources(), secretResources(), ecrResources(),
	)
}

// Native returns the resource types of the package aws-native.
func Native() []Resource { return append(stepFunctionsResources(), nativeEndpoint()) }
