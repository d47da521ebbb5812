as ptui-deployer
pipelinetui preview -f pipelines.yaml --check
pipelinetui up -f pipelines.yaml --yes
pipelinetui check acme/iris

as ptui-runner
pipelinetui run acme/iris --input @one.json --wait
pipelinetui run acme/iris --input '{"bad": 1}' --name broken --wait || [ $? = 10 ]
pipelinetui executions redrive acme/iris broken --yes
pipelinetui executions watch acme/iris broken || [ $? = 10 ]
pipelinetui run acme/iris --inputs flowers.jsonl --batch monday --wait
pipelinetui executions list acme/iris --failed --group
pipelinetui results failed acme/iris --as-input again.jsonl

# A data set, changed on its way and stopped: nothing answers until the fault is cleared.
pipelinetui sandbox faults set --call sagemakerruntime.InvokeEndpoint --latency 1h
pipelinetui run acme/flowers --input-file flowers.jsonl --name many
until pipelinetui executions map-run set acme/flowers many --concurrency 2 --yes; do [ $? = 6 ]; done
pipelinetui executions stop acme/flowers many --yes
pipelinetui sandbox faults clear
pipelinetui executions redrive acme/flowers many --yes
pipelinetui executions watch acme/flowers many

as ptui-reader
pipelinetui list
pipelinetui show acme/iris
pipelinetui show acme/flowers
pipelinetui logs acme/iris
pipelinetui logs acme/iris --execution broken
pipelinetui metrics 'acme/*'
pipelinetui costs 'acme/*'
pipelinetui history acme/iris
pipelinetui results list acme/iris
pipelinetui results show acme/iris @latest
pipelinetui results show acme/flowers many
pipelinetui results list acme/flowers many
pipelinetui results get acme/flowers many --out many.csv
pipelinetui executions list acme/flowers --children-of many
pipelinetui executions errors acme/flowers many
pipelinetui executions export acme/flowers many --out many.json
pipelinetui executions report 'acme/*' --since 24h --out day.html

as ptui-deployer
pipelinetui up acme/iris --set modelDataUrl=./changed.tar.gz --yes
pipelinetui diff acme/iris
pipelinetui rollback acme/iris --yes
pipelinetui promote acme/iris acme/iris/prod --yes
pipelinetui up acme/flowers --set maxInstances=1 --set alarms=false --yes
pipelinetui refresh 'acme/*' --yes
pipelinetui eject acme/iris ejected

# An update that fails: what the pipeline is then is asked of its aliases too.
pipelinetui sandbox faults set --call lambda.UpdateFunctionConfiguration --error InvalidParameterValueException
pipelinetui up acme/iris --set preprocess.memoryMb=384 --yes || [ $? = 4 ]
pipelinetui sandbox faults clear
as ptui-reader
pipelinetui list
pipelinetui show acme/iris

as ptui-deployer
pipelinetui destroy 'acme/*' --yes
