/** DescribeCluster (key 60, versions 0–2): tells cluster id, controller and brokers (KIP-700) */
import { array, bool, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const describeCluster = defineApi({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ versions: '1+', default: 1 }),
    includeFencedBrokers: bool({ versions: '2+' }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    endpointType: int8({ versions: '1+', default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array(
      struct({
        brokerId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '0+', default: null }),
        isFenced: bool({ versions: '2+' }),
      }),
    ),
    clusterAuthorizedOperations: int32({ default: -2147483648 }),
  },
})
