package events

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// credentials are how an API destination is spoken to, in the form in which EventBridge
// keeps them in Secrets Manager (recorded in https://github.com/localstack/localstack,
// test_api_destinations_and_connection.snapshot.json; oauth_http_parameters is not).
type credentials struct {
	Username      *string     `json:"username,omitempty"`
	Password      *string     `json:"password,omitempty"`
	APIKeyName    *string     `json:"api_key_name,omitempty"`
	APIKeyValue   *string     `json:"api_key_value,omitempty"`
	ClientID      *string     `json:"client_id,omitempty"`
	ClientSecret  *string     `json:"client_secret,omitempty"`
	Authorization *string     `json:"authorization_endpoint,omitempty"`
	Method        *string     `json:"http_method,omitempty"`
	OAuth         *parameters `json:"oauth_http_parameters,omitempty"`
	Invocation    *parameters `json:"invocation_http_parameters,omitempty"`
}

type parameters struct {
	Header []parameter `json:"header_parameters,omitempty"`
	Query  []parameter `json:"query_string_parameters,omitempty"`
	Body   []parameter `json:"body_parameters,omitempty"`
}

type parameter struct {
	Key    string  `json:"key"`
	Value  *string `json:"value,omitempty"`
	Secret bool    `json:"is_value_secret"`
}

// given sets what is given.
func given(to **string, from *string) {
	if from != nil {
		*to = from
	}
}

func parametersOf(p *types.ConnectionHttpParameters) *parameters {
	if p == nil {
		return nil
	}
	out := &parameters{}
	for _, x := range p.HeaderParameters {
		out.Header = append(out.Header, parameter{aws.ToString(x.Key), x.Value, x.IsValueSecret})
	}
	for _, x := range p.QueryStringParameters {
		out.Query = append(out.Query, parameter{aws.ToString(x.Key), x.Value, x.IsValueSecret})
	}
	for _, x := range p.BodyParameters {
		out.Body = append(out.Body, parameter{aws.ToString(x.Key), x.Value, x.IsValueSecret})
	}
	return out
}

// create takes over the parameters of CreateConnection, in the shape of an update.
func (c *credentials) create(p *types.CreateConnectionAuthRequestParameters) {
	if p == nil {
		return
	}
	u := &types.UpdateConnectionAuthRequestParameters{InvocationHttpParameters: p.InvocationHttpParameters}
	if b := p.BasicAuthParameters; b != nil {
		u.BasicAuthParameters = &types.UpdateConnectionBasicAuthRequestParameters{Username: b.Username, Password: b.Password}
	}
	if k := p.ApiKeyAuthParameters; k != nil {
		u.ApiKeyAuthParameters = &types.UpdateConnectionApiKeyAuthRequestParameters{ApiKeyName: k.ApiKeyName, ApiKeyValue: k.ApiKeyValue}
	}
	if o := p.OAuthParameters; o != nil {
		u.OAuthParameters = &types.UpdateConnectionOAuthRequestParameters{
			AuthorizationEndpoint: o.AuthorizationEndpoint, HttpMethod: o.HttpMethod,
			OAuthHttpParameters: o.OAuthHttpParameters,
		}
		if o.ClientParameters != nil {
			u.OAuthParameters.ClientParameters = &types.UpdateConnectionOAuthClientRequestParameters{ClientID: o.ClientParameters.ClientID, ClientSecret: o.ClientParameters.ClientSecret}
		}
	}
	c.update(u)
}

// update sets what is given and leaves the rest.
func (c *credentials) update(p *types.UpdateConnectionAuthRequestParameters) {
	if p == nil {
		return
	}
	if b := p.BasicAuthParameters; b != nil {
		given(&c.Username, b.Username)
		given(&c.Password, b.Password)
	}
	if k := p.ApiKeyAuthParameters; k != nil {
		given(&c.APIKeyName, k.ApiKeyName)
		given(&c.APIKeyValue, k.ApiKeyValue)
	}
	if o := p.OAuthParameters; o != nil {
		given(&c.Authorization, o.AuthorizationEndpoint)
		if o.HttpMethod != "" {
			c.Method = aws.String(string(o.HttpMethod))
		}
		if o.ClientParameters != nil {
			given(&c.ClientID, o.ClientParameters.ClientID)
			given(&c.ClientSecret, o.ClientParameters.ClientSecret)
		}
		if x := parametersOf(o.OAuthHttpParameters); x != nil {
			c.OAuth = x
		}
	}
	if x := parametersOf(p.InvocationHttpParameters); x != nil {
		c.Invocation = x
	}
}

// complete refuses what lacks the parameters of its kind; the words are ours.
func (c *credentials) complete(kind types.ConnectionAuthorizationType) error {
	ok := false
	switch kind {
	case types.ConnectionAuthorizationTypeBasic:
		ok = c.Username != nil && c.Password != nil
	case types.ConnectionAuthorizationTypeApiKey:
		ok = c.APIKeyName != nil && c.APIKeyValue != nil
	case types.ConnectionAuthorizationTypeOauthClientCredentials:
		ok = c.ClientID != nil && c.ClientSecret != nil && c.Authorization != nil && c.Method != nil
	}
	if !ok {
		return validation("Parameter AuthParameters is not valid. Reason: the parameters of authorization type %s must be specified.", kind)
	}
	return nil
}

func (p *parameters) public() *parameters {
	if p == nil {
		return nil
	}
	blank := func(list []parameter) (out []parameter) {
		for _, x := range list {
			if x.Secret {
				x.Value = nil
			}
			out = append(out, x)
		}
		return out
	}
	return &parameters{blank(p.Header), blank(p.Query), blank(p.Body)}
}

// public is what may be shown.
func (c *credentials) public() credentials {
	out := *c
	out.Password, out.APIKeyValue, out.ClientSecret = nil, nil, nil
	out.OAuth, out.Invocation = c.OAuth.public(), c.Invocation.public()
	return out
}

func (p *parameters) output() *types.ConnectionHttpParameters {
	if p == nil {
		return nil
	}
	out := &types.ConnectionHttpParameters{}
	for _, x := range p.Header {
		out.HeaderParameters = append(out.HeaderParameters, types.ConnectionHeaderParameter{Key: aws.String(x.Key), Value: x.Value, IsValueSecret: x.Secret})
	}
	for _, x := range p.Query {
		out.QueryStringParameters = append(out.QueryStringParameters, types.ConnectionQueryStringParameter{Key: aws.String(x.Key), Value: x.Value, IsValueSecret: x.Secret})
	}
	for _, x := range p.Body {
		out.BodyParameters = append(out.BodyParameters, types.ConnectionBodyParameter{Key: aws.String(x.Key), Value: x.Value, IsValueSecret: x.Secret})
	}
	return out
}

// response is how DescribeConnection shows the public part.
func (c *credentials) response() *types.ConnectionAuthResponseParameters {
	out := &types.ConnectionAuthResponseParameters{InvocationHttpParameters: c.Invocation.output()}
	switch {
	case c.Username != nil:
		out.BasicAuthParameters = &types.ConnectionBasicAuthResponseParameters{Username: c.Username}
	case c.APIKeyName != nil:
		out.ApiKeyAuthParameters = &types.ConnectionApiKeyAuthResponseParameters{ApiKeyName: c.APIKeyName}
	case c.ClientID != nil:
		out.OAuthParameters = &types.ConnectionOAuthResponseParameters{
			AuthorizationEndpoint: c.Authorization, HttpMethod: types.ConnectionOAuthHttpMethod(aws.ToString(c.Method)),
			ClientParameters: &types.ConnectionOAuthClientResponseParameters{ClientID: c.ClientID}, OAuthHttpParameters: c.OAuth.output(),
		}
	}
	return out
}
