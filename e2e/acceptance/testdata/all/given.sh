# What the spec names of the user's own: an administrator has made it.
cp all.yaml pipelines.yaml
aws ssm put-parameter --cli-input-json '{"Name": "/ops/slack-webhook", "Type": "SecureString", "Value": "http://127.0.0.1:9/hook"}'
aws secretsmanager create-secret --name prod/token --secret-string '{"value": "secret-of-the-test"}'
aws s3api create-bucket --bucket "ptui-models-$ACCOUNT"
aws s3api put-object --bucket "ptui-models-$ACCOUNT" --key iris/model.tar.gz --body model.tar.gz
mkdir changed
sed 's/"softmax"/"softmax", "comment": "another one"/' model/model.json > changed/model.json
tar -C changed -czf changed.tar.gz model.json
