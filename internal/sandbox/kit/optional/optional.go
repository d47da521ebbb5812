// Package optional owns the members of answers that AWS leaves out where there is nothing
// to say.
package optional

// Of returns a pointer to v, nil if v is its type's zero value. A time that was read as
// the zero time is one, too.
func Of[T comparable](v T) *T {
	var zero T
	if z, ok := any(v).(interface{ IsZero() bool }); v == zero || ok && z.IsZero() {
		return nil
	}
	return &v
}
