package iam

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // the algorithm of RFC 6238
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// device is a virtual MFA device, by the account's key of its serial number's name.
type device struct {
	Name, Path, ARN string
	Seed            []byte
	Tags            map[string]string
	User            string // name of the user it was enabled for; "" before
	Enabled         time.Time
}

func (s *Service) registerDevices(r *wire.Router) {
	onSerial := wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("SerialNumber")} })
	u := wire.On(s.onUser)
	wire.Handle(r, "iam", "CreateVirtualMFADevice", s.createDevice, wire.On(func(req *wire.Request, in wire.Input) []string {
		return []string{req.GlobalARN("iam", "mfa"+pathOf(in)+in.Text("VirtualMFADeviceName"))}
	}).Tags("iam:TagMFADevice"))
	wire.Handle(r, "iam", "DeleteVirtualMFADevice", s.deleteDevice, onSerial)
	wire.Handle(r, "iam", "ListVirtualMFADevices", s.listDevices, wire.Access{})
	wire.Handle(r, "iam", "EnableMFADevice", s.enableDevice, u)
	wire.Handle(r, "iam", "DeactivateMFADevice", s.deactivateDevice, u)
	wire.Handle(r, "iam", "ListMFADevices", s.listUserDevices, u)
}

func getDevice(tx *store.Tx, serial *string) (device, error) {
	return store.Find[device](tx, devicesBucket, aws.ToString(serial),
		wire.Errorf(http.StatusNotFound, "NoSuchEntity", "VirtualMFADevice with serial number %s doesn't exist.", aws.ToString(serial)))
}

// devicesOf are the devices of an account, those of a user if one is named.
func devicesOf(tx *store.Tx, sc wire.Scope, name string) (out []device, err error) {
	all, err := store.List[device](tx, devicesBucket, sc.GlobalARN("iam", "mfa/"))
	for _, d := range all {
		if name == "" || d.User == name {
			out = append(out, d)
		}
	}
	return out, err
}

func (s *Service) createDevice(_ context.Context, req *wire.Request, in *sdk.CreateVirtualMFADeviceInput) (*sdk.CreateVirtualMFADeviceOutput, error) {
	if err := checkName("virtualMFADeviceName", in.VirtualMFADeviceName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	d := device{Name: *in.VirtualMFADeviceName, Path: path, ARN: req.GlobalARN("iam", "mfa"+path+*in.VirtualMFADeviceName), Seed: make([]byte, 20)}
	_, _ = rand.Read(d.Seed) // never fails (crypto/rand)
	if d.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		if tx.GetRaw(devicesBucket, d.ARN) != nil {
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
		}
		return store.Put(tx, devicesBucket, d.ARN, d)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateVirtualMFADeviceOutput{VirtualMFADevice: &types.VirtualMFADevice{
		SerialNumber: &d.ARN, Base32StringSeed: []byte(base32.StdEncoding.EncodeToString(d.Seed)), Tags: nilIfNone(tagList(d.Tags)),
	}}, nil
}

func (s *Service) deleteDevice(_ context.Context, _ *wire.Request, in *sdk.DeleteVirtualMFADeviceInput) (*sdk.DeleteVirtualMFADeviceOutput, error) {
	err := s.update(func(tx *store.Tx) error {
		d, err := getDevice(tx, in.SerialNumber)
		switch {
		case err != nil:
			return err
		case d.User != "":
			return wire.Errorf(http.StatusConflict, "DeleteConflict", "VirtualMfaDevice is currently active and must be deactivated before it can be deleted")
		}
		return tx.Delete(devicesBucket, d.ARN)
	})
	return &sdk.DeleteVirtualMFADeviceOutput{}, err
}

func (s *Service) listDevices(_ context.Context, req *wire.Request, in *sdk.ListVirtualMFADevicesInput) (*sdk.ListVirtualMFADevicesOutput, error) {
	out := []types.VirtualMFADevice{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := devicesOf(tx, req.Scope, "")
		if err != nil {
			return err
		}
		for _, d := range all {
			if (in.AssignmentStatus == types.AssignmentStatusTypeAssigned && d.User == "") || (in.AssignmentStatus == types.AssignmentStatusTypeUnassigned && d.User != "") {
				continue
			}
			v := types.VirtualMFADevice{SerialNumber: aws.String(d.ARN)}
			if d.User != "" {
				u, err := s.getUserOf(tx, req.Scope, d.User)
				if err != nil {
					return err
				}
				v.User, v.EnableDate = u.output(), aws.Time(d.Enabled)
			}
			out = append(out, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListVirtualMFADevicesOutput{VirtualMFADevices: some, Marker: next, IsTruncated: more}, err
}

// code is what a device shows at a time (RFC 6238, six digits every 30 seconds).
func code(seed []byte, step int64) string {
	h := hmac.New(sha1.New, seed)
	_ = binary.Write(h, binary.BigEndian, step) // a hash takes everything
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// codesMatch: two codes that follow one another prove that who enables a device has it.
// They may be some steps old, since the first had to pass.
func (s *Service) codesMatch(d device, one, two *string) bool {
	now := s.Clock.Now().Unix() / 30
	for step := now - 4; step <= now+1; step++ {
		if code(d.Seed, step) == aws.ToString(one) && code(d.Seed, step+1) == aws.ToString(two) {
			return true
		}
	}
	return false
}

func (s *Service) enableDevice(_ context.Context, req *wire.Request, in *sdk.EnableMFADeviceInput) (*sdk.EnableMFADeviceOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		d, err := getDevice(tx, in.SerialNumber)
		switch {
		case err != nil:
			return err
		case d.User != "":
			return wire.Errorf(http.StatusConflict, "EntityAlreadyExists", "MFA Device with serial number %s is already in use.", d.ARN)
		case !s.codesMatch(d, in.AuthenticationCode1, in.AuthenticationCode2):
			return wire.Errorf(http.StatusForbidden, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
		}
		d.User, d.Enabled = u.Name, s.now()
		return store.Put(tx, devicesBucket, d.ARN, d)
	})
	return &sdk.EnableMFADeviceOutput{}, err
}

func (s *Service) deactivateDevice(_ context.Context, req *wire.Request, in *sdk.DeactivateMFADeviceInput) (*sdk.DeactivateMFADeviceOutput, error) {
	err := s.changeUser(req, in.UserName, func(tx *store.Tx, u *user) error {
		d, err := getDevice(tx, in.SerialNumber)
		if err == nil && d.User != u.Name {
			err = wire.Errorf(http.StatusNotFound, "NoSuchEntity", "MFA Device invalid for user.")
		}
		if err != nil {
			return err
		}
		d.User, d.Enabled = "", time.Time{}
		return store.Put(tx, devicesBucket, d.ARN, d)
	})
	return &sdk.DeactivateMFADeviceOutput{}, err
}

func (s *Service) listUserDevices(_ context.Context, req *wire.Request, in *sdk.ListMFADevicesInput) (*sdk.ListMFADevicesOutput, error) {
	u, err := s.readUser(req, in.UserName)
	if err != nil {
		return nil, err
	}
	out := []types.MFADevice{}
	err = s.DB.View(func(tx *store.Tx) error {
		all, err := devicesOf(tx, req.Scope, u.Name)
		for _, d := range all {
			out = append(out, types.MFADevice{UserName: &u.Name, SerialNumber: aws.String(d.ARN), EnableDate: aws.Time(d.Enabled)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, more, err := pageOf(out, in.Marker, in.MaxItems)
	return &sdk.ListMFADevicesOutput{MFADevices: some, Marker: next, IsTruncated: more}, err
}

// renameDevices hands the devices of a user over to its new name.
func renameDevices(tx *store.Tx, sc wire.Scope, old, now string) error {
	all, err := devicesOf(tx, sc, old)
	if err != nil {
		return err
	}
	for _, d := range all {
		d.User = now
		if err := store.Put(tx, devicesBucket, d.ARN, d); err != nil {
			return err
		}
	}
	return nil
}
