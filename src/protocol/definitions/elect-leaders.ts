/** ElectLeaders (key 43, versions 0–2): triggers new elections of partition leaders */
import { array, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const electLeaders = defineApi({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  request: {
    electionType: int8({ versions: '1+' }),
    topicPartitions: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullable: '0+' },
    ),
    timeoutMs: int32({ default: 60000 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ versions: '1+' }),
    replicaElectionResults: array(
      struct({
        topic: string(),
        partitionResult: array(
          struct({
            partitionId: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
})
