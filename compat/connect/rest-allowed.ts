/** Where our answers differ on purpose. */

interface Allowed {
  /** Of `METHOD PATH BODY`. */
  readonly call: RegExp
  /** Of `.path.in.the.answer: theirs | ours`. */
  readonly difference: RegExp
  readonly why: string
}

const any = /^/

export const allowed: readonly Allowed[] = [
  { call: any, difference: /^\.(?:status|body\.error_code): 500 \| 400$/, why: 'a wrong request is no failure of the server' },
  {
    call: any,
    difference: /^\.body\.message: "(?:Cannot (?:invoke|deserialize|construct)|Unrecognized field|Unexpected end-of-input)/,
    why: 'the words of a library of Java',
  },
  { call: any, difference: /^\.headers\.content-type: nothing \| "application\/json"$/, why: 'what is JSON says so' },
  { call: any, difference: /^\.headers\.allow: nothing \| /, why: 'RFC 9110 demands Allow with status 405' },
  { call: /^OPTIONS /, difference: any, why: 'a description for Java (WADL); browsers ask with OPTIONS only for CORS' },
  { call: /nowhere/, difference: /available connectors are/, why: 'it lists the connectors that there are' },
  { call: any, difference: /\.documentation: /, why: 'our own words' },
  {
    call: any,
    difference: /\.(?:connector|(?:key|value|header)\.converter|(?:transforms|predicates)\.\w+)\.plugin\.version/,
    why: 'there is one version of each plugin',
  },
  { call: any, difference: /^\.body\.(?:configs\.)?principal: nothing/, why: 'a key of ours' },
  {
    call: any,
    difference: /^\.body\.(?:configs\.)?(?:file|topic|batch\.size|line\.max\.bytes|format|rotate\.[a-z.]+)(?:\.|: nothing)/,
    why: 'keys of the connector itself, which is another one',
  },
  {
    call: /^GET \/connector-plugins\/org\.apache\.kafka\.connect\.(?:transforms|json)/,
    difference: /\.(?:group|order_in_group|width|display_name|default_value): |^\.body\.converter\.type: /,
    why: 'forms show the keys of transforms and converters in our order',
  },
  {
    call: /validate/,
    difference: /\.(?:transforms|predicates)\.\w+\.[a-z.]+\.definition\.width: "NONE" \| "MEDIUM"$/,
    why: 'keys of transforms have a width in forms',
  },
  {
    call: /validate/,
    difference: /\.transforms\.a\.(?:predicate|negate): nothing/,
    why: 'what an alias may have is shown before its type is known',
  },
  {
    call: any,
    difference: /value\.recommended_values\.\d+: /,
    why: 'it lists the classes that there are',
  },
  { call: any, difference: /Invalid value null for configuration \S+ Value must be non-null/, why: 'one error is told once' },
  { call: /validate .*"tasks\.max":"many"/, difference: /^\.body\.error_count: 2 \| 1$/, why: 'one error is told once' },
  {
    call: /validate \{"connector\.class":"FileStreamSource"\}/,
    difference: /^\.body\.error_count: 2 \| 3$/,
    why: 'our source of files requires one',
  },
  {
    call: any,
    difference: /"org\.apache\.kafka\.connect\.runtime\.rest\.errors\.BadRequestException: /,
    why: 'the name of a class of Java',
  },
  { call: /topics\.regex/, difference: /Invalid regex: /, why: 'the words of the library' },
  {
    call: /^PUT \/admin\/loggers/,
    difference: /^\.body\.[01]: /,
    why: 'a logger that is named for the first time is among those that have changed',
  },
  { call: any, difference: /\.value\.value: null \| /, why: 'what is wrong is shown as it was given' },
  { call: /offsets/, difference: /have been (?:altered|reset) successfully" \| /, why: 'targets may keep offsets as well' },
  { call: any, difference: /^\.headers\.location: /, why: 'the location of a name with odd characters is percent-encoded' },
  {
    call: /validate .*"file":null/,
    difference: /^\.body\.error_count: 0 \| 1$/,
    why: 'null is refused there as well, as it will be when the connector is made',
  },
  {
    call: /status/,
    difference: /^\.body\.connector\.(?:state: "UNASSIGNED"|version: null) \| /,
    why: 'a connector of Java that begins anew is told to be UNASSIGNED for a moment',
  },
  { call: /^GET \/connectors\/made\/topics/, difference: /: "\$TOPIC" \| nothing$/, why: 'Java resets a little later than it answers' },
  { call: /%(?:2F|25)/, difference: any, why: "names with / and % work here; Kafka's server refuses their paths" },
]
