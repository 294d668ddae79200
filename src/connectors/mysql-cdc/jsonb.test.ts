import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonbText } from './jsonb.ts'

/** As MySQL 9.7 wrote them to its binlog, and as it shows them. */
const recorded: readonly (readonly [hex: string, text: string])[] = [
  [
    '0006007d002e0003003100030034000400380004003c000500410005000f4600075b000f5f000f68000f6e000f74006e656774656e6e696e657a65726f7072696365736d616c6cf613261273eb655bcaf204c72df8a432eaff439eb1d2029649f6070a01875bcd1505f60403028000f60403028963f6070a098000000001',
    '{"neg": -12345678901234567890.123456789012345678, "ten": 1234567890, "nine": 123456789.5, "zero": 0.00, "price": 9.99, "small": 0.000000001}',
  ],
  [
    '02050040000f13000f1d000f27000f31000f3b000a08000000000042a5190c0820a107831042a5190b08f8f5f34737ffffff0b08000000fb6e340000f603010080',
    '["2020-01-01", "2020-01-01 01:02:03.500000", "-12:34:56.789000", "838:59:59.000000", 0]',
  ],
  [
    '0005004000270000002700010028000100290002002b000900050400050200050300050100003400326131305f5f70726f746f5f5f01000c000b00010005010078',
    '{"": 4, "2": 2, "a": 3, "10": 1, "__proto__": {"x": 1}}',
  ],
  ['0200000400', '[]'],
  ['0000000400', '{}'],
  ['0400', 'null'],
  ['0401', 'true'],
  ['0c13737472200120227122200a20c3a920f09f9880', '"str \\u0001 \\"q\\" \\n é 😀"'],
  [
    '020d005f0005010005ffff05ff7f072b00050080072f00073300073700073b00093f000a47000a4f0009570000800000ff7fffffffff000000000100ffffff7f0000008000000000ffffffffffffff7fffffffffffffffff0000000000000080',
    '[1, -1, 32767, 32768, -32768, -32769, 65535, 65536, 2147483647, 2147483648, 9223372036854775807, 18446744073709551615, -9223372036854775808]',
  ],
  ['0002001f0012000300150003000f18000f1c0062696e6269740f0200ff0f0105', '{"bin": "base64:type15:AP8=", "bit": "base64:type15:BQ=="}'],
  ['0ff6070a017ffffffefa', '-1.5'],
]

test('binary JSON is the text that the server shows', () => {
  for (const [hex, text] of recorded) assert.equal(jsonbText(Buffer.from(hex, 'hex')), text)
  const doubles = Buffer.concat([Buffer.from([11]), Buffer.alloc(8)])
  for (const [value, text] of [
    [1, '1.0'],
    [-0, '-0.0'],
    [0.1, '0.1'],
    [1e100, '1e100'],
  ] as const) {
    doubles.writeDoubleLE(value, 1)
    assert.equal(jsonbText(doubles), text)
  }
  assert.equal(jsonbText(Buffer.alloc(0)), 'null')
})

test('what is no binary JSON is refused, also if it is cut off or refers to itself', () => {
  for (const [hex] of recorded) {
    const bytes = Buffer.from(hex, 'hex')
    for (let length = 1; length < bytes.length; length++) {
      try {
        jsonbText(bytes.subarray(0, length))
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error))
      }
    }
  }
  // An array whose only value is itself, and one of two values that are both the same array, which is again of two, and so on.
  assert.throws(() => jsonbText(Buffer.from('020100070002000000', 'hex')), /refers to itself/)
  const levels = `${'02000a00020a00020a00'.repeat(40)}00000400`
  assert.throws(() => jsonbText(Buffer.from(`02${levels}`, 'hex')), /refers to itself/)
  assert.throws(() => jsonbText(Buffer.from('ff', 'hex')), /unknown type 255/)
})
