/** DescribeConfigs (key 32, versions 0–4): reads configurations of topics, brokers, groups, … */
import { array, bool, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: '0-4',
  flexible: '4+',
  request: {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configurationKeys: array(string(), { nullable: '0+' }),
      }),
    ),
    includeSynonyms: bool({ versions: '1+', default: false }),
    includeDocumentation: bool({ versions: '3+', default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '0+' }),
            readOnly: bool(),
            isDefault: bool({ versions: '0' }),
            configSource: int8({ versions: '1+', default: -1, ignorable: true }),
            isSensitive: bool(),
            synonyms: array(
              struct({
                name: string(),
                value: string({ nullable: '1+' }),
                source: int8(),
              }),
              { versions: '1+', ignorable: true },
            ),
            configType: int8({ versions: '3+', default: 0, ignorable: true }),
            documentation: string({ versions: '3+', nullable: '3+', ignorable: true }),
          }),
        ),
      }),
    ),
  },
})
