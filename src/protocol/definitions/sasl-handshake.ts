/** SaslHandshake (key 17, versions 0–1): chooses the SASL mechanism of a connection */
import { array, defineApi, int16, string } from '../define.ts'

export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  request: {
    mechanism: string(),
  },
  response: {
    errorCode: int16(),
    mechanisms: array(string()),
  },
})
