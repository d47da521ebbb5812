package iam_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // the algorithm of RFC 6238
	"encoding/base32"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

const iamARN = "arn:aws:iam::000000000000:"

// as is the configuration of who has an access key.
func as(w *iamtest.World, k *types.AccessKey) aws.Config {
	cfg := w.Admin()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*k.AccessKeyId, *k.SecretAccessKey, "")
	return cfg
}

// A user signs with keys of its own and may do what its policies, those of its groups
// and its boundary allow, until the key or the user is gone.
func TestUsersActByTheirPolicies(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	anne := aws.String("anne")
	made, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: anne, Path: aws.String("/team/"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}})
	require.NoError(t, err)
	require.Equal(t, iamARN+"user/team/anne", *made.User.Arn)
	_, err = c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ANNE")})
	require.ErrorContains(t, err, "EntityAlreadyExists: User with name ANNE already exists.")
	key, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: anne})
	require.NoError(t, err)

	hers := sdk.NewFromConfig(as(w, key.AccessKey))
	who, err := sts.NewFromConfig(as(w, key.AccessKey)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, []string{*made.User.Arn, *made.User.UserId}, []string{*who.Arn, *who.UserId})
	list := func() error { _, err := hers.ListRoles(ctx, &sdk.ListRolesInput{}); return err }
	denied := "User: " + *made.User.Arn + " is not authorized to perform: iam:ListRoles on resource: " + iamARN + "role/"
	require.ErrorContains(t, list(), denied)

	// Her own policy, a managed one, a group's: each is enough.
	roles := iamtest.Allow("iam:ListRoles", "*")
	_, err = c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: anne, PolicyName: aws.String("p"), PolicyDocument: &roles})
	require.NoError(t, err)
	require.NoError(t, list())
	_, err = c.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: anne, PolicyName: aws.String("p")})
	require.NoError(t, err)
	require.Error(t, list())
	managed, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("roles"), PolicyDocument: &roles})
	require.NoError(t, err)
	_, err = c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: anne, PolicyArn: managed.Policy.Arn})
	require.NoError(t, err)
	require.NoError(t, list())
	_, err = c.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: anne, PolicyArn: managed.Policy.Arn})
	require.NoError(t, err)
	_, err = c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("staff")})
	require.NoError(t, err)
	_, err = c.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("staff"), PolicyArn: managed.Policy.Arn})
	require.NoError(t, err)
	_, err = c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("staff"), UserName: anne})
	require.NoError(t, err)
	require.NoError(t, list())
	// A boundary that does not allow it takes it away.
	other, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{
		PolicyName:     aws.String("users"),
		PolicyDocument: aws.String(iamtest.Allow("iam:GetUser", iamARN+"user/team/${aws:username}")),
	})
	require.NoError(t, err)
	_, err = c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: anne, PermissionsBoundary: other.Policy.Arn})
	require.NoError(t, err)
	require.ErrorContains(t, list(), "because no permissions boundary allows the iam:ListRoles action")
	entities, err := c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: managed.Policy.Arn})
	require.NoError(t, err)
	require.Equal(t, "staff", *entities.PolicyGroups[0].GroupName)
	used, err := c.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKey.AccessKeyId})
	require.NoError(t, err)
	require.Equal(t, "anne", *used.UserName)
	require.True(t, w.Clock.Now().Equal(*used.AccessKeyLastUsed.LastUsedDate))

	// Another name: key, group and policies stay, also over a restart.
	_, err = c.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: anne})
	require.NoError(t, err)
	_, err = c.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: anne, NewUserName: aws.String("eve"), NewPath: aws.String("/")})
	require.NoError(t, err)
	w.Reopen(t)
	c, hers = sdk.NewFromConfig(w.Admin()), sdk.NewFromConfig(as(w, key.AccessKey))
	require.NoError(t, list())
	me, err := c.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("eve")})
	require.NoError(t, err)
	require.Equal(t, iamARN+"user/eve", *me.User.Arn)

	_, err = c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("eve")})
	iamtest.RequireCode(t, err, "DeleteConflict")
	_, err = c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("eve"), AccessKeyId: key.AccessKey.AccessKeyId, Status: types.StatusTypeInactive})
	require.NoError(t, err)
	iamtest.RequireCode(t, list(), "InvalidClientTokenId")
	_, err = c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: aws.String("eve"), AccessKeyId: key.AccessKey.AccessKeyId})
	require.NoError(t, err)
	_, err = c.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{GroupName: aws.String("staff"), UserName: aws.String("eve")})
	require.NoError(t, err)
	_, err = c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("eve")})
	require.NoError(t, err)
	_, err = c.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("eve")})
	require.ErrorContains(t, err, "NoSuchEntity: The user with name eve cannot be found.")
	// The account's own is there and stays.
	_, err = c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("sandbox")})
	iamtest.RequireCode(t, err, "AccessDenied")
	all, err := c.ListUsers(ctx, &sdk.ListUsersInput{})
	require.NoError(t, err)
	require.Equal(t, "sandbox", *all.Users[0].UserName)
}

// Roles may trust users, and users assume them.
func TestUserAssumesRole(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + iamARN + `user/bob"},"Action":"sts:AssumeRole"}]}`
	create := func() error {
		_, err := c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &trust})
		return err
	}
	require.ErrorContains(t, create(), "Invalid principal in policy")
	_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("bob")})
	require.NoError(t, err)
	require.NoError(t, create())
	key, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("bob")})
	require.NoError(t, err)
	_, err = sts.NewFromConfig(as(w, key.AccessKey)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(iamARN + "role/r"), RoleSessionName: aws.String("s1")})
	require.NoError(t, err)
	// An instance profile holds on to its role.
	_, err = c.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")})
	require.NoError(t, err)
	for _, code := range []string{"", "LimitExceeded"} {
		_, err = c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: aws.String("r")})
		if code == "" {
			require.NoError(t, err)
			continue
		}
		iamtest.RequireCode(t, err, code)
	}
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("r")})
	require.ErrorContains(t, err, "must remove roles from instance profile first")
	of, err := c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("r")})
	require.NoError(t, err)
	require.Equal(t, "p", *of.InstanceProfiles[0].InstanceProfileName)
}

// totp is what a device with a seed shows at a time (RFC 6238).
func totp(t *testing.T, seed []byte, at time.Time) *string {
	t.Helper()
	raw, err := base32.StdEncoding.DecodeString(string(seed))
	require.NoError(t, err)
	h := hmac.New(sha1.New, raw)
	require.NoError(t, binary.Write(h, binary.BigEndian, at.Unix()/30))
	sum := h.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return aws.String(fmt.Sprintf("%06d", n%1_000_000))
}

// A device is enabled by two codes that it really shows.
func TestDevices(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	u := aws.String("u")
	_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: u})
	require.NoError(t, err)
	d, err := c.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone")})
	require.NoError(t, err)
	enable := func(one, two *string) error {
		_, err := c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: u, SerialNumber: d.VirtualMFADevice.SerialNumber, AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	}
	now := w.Clock.Now()
	first, second := totp(t, d.VirtualMFADevice.Base32StringSeed, now.Add(-30*time.Second)), totp(t, d.VirtualMFADevice.Base32StringSeed, now)
	iamtest.RequireCode(t, enable(second, first), "InvalidAuthenticationCode")
	require.NoError(t, enable(first, second))
	list, err := c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: u})
	require.NoError(t, err)
	require.Equal(t, iamARN+"mfa/phone", *list.MFADevices[0].SerialNumber)
	_, err = c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: d.VirtualMFADevice.SerialNumber})
	iamtest.RequireCode(t, err, "DeleteConflict")
	_, err = c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: u, SerialNumber: d.VirtualMFADevice.SerialNumber})
	require.NoError(t, err)
	_, err = c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: d.VirtualMFADevice.SerialNumber})
	require.NoError(t, err)
}

// What an account has once: alias, password policy, summary, and all its identities.
func TestAccountWide(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	_, err := c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("acme")})
	require.NoError(t, err)
	aliases, err := c.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{})
	require.NoError(t, err)
	require.Equal(t, []string{"acme"}, aliases.AccountAliases)
	_, err = c.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: aws.String("other")})
	iamtest.RequireCode(t, err, "NoSuchEntity")

	_, err = c.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
	require.ErrorContains(t, err, "NoSuchEntity: The Password Policy with domain name 000000000000 cannot be found.")
	_, err = c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("u")})
	require.NoError(t, err)
	login := func(password string) error {
		_, err := c.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: aws.String("u"), Password: &password})
		return err
	}
	iamtest.RequireCode(t, login("short1A"), "PasswordPolicyViolation")
	_, err = c.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{RequireSymbols: true, MaxPasswordAge: aws.Int32(90)})
	require.NoError(t, err)
	p, err := c.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
	require.NoError(t, err)
	require.True(t, p.PasswordPolicy.ExpirePasswords && p.PasswordPolicy.RequireSymbols)
	require.EqualValues(t, 6, *p.PasswordPolicy.MinimumPasswordLength)
	iamtest.RequireCode(t, login("short1"), "PasswordPolicyViolation")
	require.NoError(t, login("short!"))
	iamtest.RequireCode(t, login("short!"), "EntityAlreadyExists")

	_, _ = w.Role(t, "r", iamtest.Allow("s3:*", "*"))
	out, err := c.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{})
	require.NoError(t, err)
	require.Equal(t, "u", *out.UserDetailList[0].UserName)
	text, err := url.QueryUnescape(*out.RoleDetailList[0].RolePolicyList[0].PolicyDocument)
	require.NoError(t, err)
	require.JSONEq(t, iamtest.Allow("s3:*", "*"), text)
	sum, err := c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})
	require.NoError(t, err)
	require.Equal(t, []int32{2, 1, 0}, []int32{sum.SummaryMap["Users"], sum.SummaryMap["Roles"], sum.SummaryMap["Groups"]})
}

// Identity providers are kept as they were made.
func TestProviders(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	made, err := c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example/org"), ClientIDList: []string{"c"}})
	require.NoError(t, err)
	require.Equal(t, iamARN+"oidc-provider/id.example/org", *made.OpenIDConnectProviderArn)
	for want, in := range map[string]*sdk.CreateOpenIDConnectProviderInput{
		"EntityAlreadyExists":                       {Url: aws.String("https://id.example/org")},
		"Invalid Open ID Connect Provider URL":      {Url: aws.String("example.org")},
		"Thumbprint list must contain fewer than 5": {Url: aws.String("https://b.example"), ThumbprintList: []string{"1", "2", "3", "4", "5", "6"}},
	} {
		_, err := c.CreateOpenIDConnectProvider(ctx, in)
		require.ErrorContains(t, err, want)
	}
	_, err = c.AddClientIDToOpenIDConnectProvider(ctx,
		&sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("d")})
	require.NoError(t, err)
	got, err := c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
	require.NoError(t, err)
	require.Equal(t, "id.example/org", *got.Url)
	require.Equal(t, []string{"c", "d"}, got.ClientIDList)
	for range 2 {
		_, err = c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
		require.NoError(t, err)
	}
	_, err = c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
	require.ErrorContains(t, err, "OpenIDConnect Provider not found for arn "+*made.OpenIDConnectProviderArn)
}

// A role that is linked to a service trusts that service, and goes by its own operation.
func TestServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	const service = "sagemaker.application-autoscaling.amazonaws.com"
	create := func(service, suffix string) (*sdk.CreateServiceLinkedRoleOutput, error) {
		in := &sdk.CreateServiceLinkedRoleInput{AWSServiceName: &service}
		if suffix != "" {
			in.CustomSuffix = &suffix
		}
		return c.CreateServiceLinkedRole(ctx, in)
	}
	out, err := create(service, "")
	require.NoError(t, err)
	require.Equal(t, iamARN+"role/aws-service-role/"+service+"/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint", *out.Role.Arn)
	_, err = w.IAM.AssumeServiceRole(ctx, iamtest.Scope, service, *out.Role.Arn, "", "s")
	require.NoError(t, err)
	for _, c0 := range [][2]string{{service, ""}, {service, "x"}, {"none.amazonaws.com", ""}} {
		_, err := create(c0[0], c0[1])
		iamtest.RequireCode(t, err, "InvalidInput")
	}
	suffixed, err := create("autoscaling.amazonaws.com", "x")
	require.NoError(t, err)
	require.Equal(t, "AWSServiceRoleForAutoScaling_x", *suffixed.Role.RoleName)
	gone, err := c.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: out.Role.RoleName})
	require.NoError(t, err)
	status, err := c.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: gone.DeletionTaskId})
	require.NoError(t, err)
	require.Equal(t, types.DeletionTaskStatusTypeSucceeded, status.Status)
	_, err = c.GetRole(ctx, &sdk.GetRoleInput{RoleName: out.Role.RoleName})
	iamtest.RequireCode(t, err, "NoSuchEntity")
}

// A credential report stays as it is for four hours.
func TestCredentialReport(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	_, err := c.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{})
	iamtest.RequireCode(t, err, "ReportNotPresent")
	_, err = c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("u")})
	require.NoError(t, err)
	_, err = c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("u")})
	require.NoError(t, err)
	for _, want := range []types.ReportStateType{types.ReportStateTypeStarted, types.ReportStateTypeComplete} {
		out, err := c.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{})
		require.NoError(t, err)
		require.Equal(t, want, out.State)
	}
	out, err := c.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{})
	require.NoError(t, err)
	lines, err := csv.NewReader(bytes.NewReader(out.Content)).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.Equal(t, []string{"sandbox", "u"}, []string{lines[1][0], lines[2][0]})
	require.Equal(t, []string{"true", "false", "false"}, []string{lines[2][8], lines[2][13], lines[2][18]})
}
