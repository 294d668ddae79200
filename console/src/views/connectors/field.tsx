/** One key of a configuration: what it means, its value, and what is wrong with it. */
import { type ChangeEvent, useId } from 'react'
import { Input, Select, TextArea } from '../../ui/button.tsx'
import css from './form.module.css'
import type { Key } from './keys.ts'

interface FieldProps {
  declared: Key
  value: string
  /** Whether what is wrong is said already. */
  tells: boolean
  onChange: (value: string) => void
  /** It will not change for now. */
  onDone: () => void
}

const numbers = new Set(['INT', 'SHORT', 'LONG'])
const long = /\.(?:code|expression)$|query|schema$|template/

export function KeyField({ declared, value, tells, onChange, onDone }: FieldProps) {
  const { name, doc, required } = declared
  const recommended = declared.recommended.filter(each => each !== '')
  const id = useId()
  const errors = tells ? declared.errors : []
  const described = `${id}-doc${errors.length === 0 ? '' : ` ${id}-errors`}`
  return (
    <div className={css['field']}>
      <div className={css['about']}>
        <label htmlFor={id}>
          {name}
          {required && <span title="It must be given">&thinsp;*</span>}
        </label>
        <p id={`${id}-doc`} className={css['doc']} title={doc}>
          <Marked text={doc} />
        </p>
      </div>
      <div className={css['value']}>
        <Value
          id={id}
          declared={declared}
          value={value}
          described={described}
          invalid={errors.length > 0}
          onChange={onChange}
          onDone={onDone}
        />
        {recommended.length > 0 && declared.type !== 'BOOLEAN' && (
          <datalist id={`${id}-values`}>
            {recommended.map(each => (
              <option key={each} value={each} />
            ))}
          </datalist>
        )}
        {recommended.length > 0 && recommended.length <= 8 && <p className={css['hint']}>{recommended.join(', ')}</p>}
        {errors.length > 0 && (
          <ul id={`${id}-errors`} className={css['errors']}>
            {errors.map(each => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  )
}

/** What stands between backticks is code, as on the pages that derive from the same texts. */
function Marked({ text }: { text: string }) {
  return text.split('`').map((part, at) => {
    const key = `${at} ${part}`
    return at % 2 === 1 ? <code key={key}>{part}</code> : <span key={key}>{part}</span>
  })
}

interface ValueProps extends Omit<FieldProps, 'tells'> {
  id: string
  described: string
  invalid: boolean
}

function Value({ id, declared, value, described, invalid, onChange, onDone }: ValueProps) {
  const { name, type, default: usual, recommended, required } = declared
  const common = { id, value, 'aria-required': required, 'aria-describedby': described, 'aria-invalid': invalid, onBlur: onDone }
  const change = (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>) => onChange(event.target.value)
  if (type === 'BOOLEAN')
    return (
      <Select {...common} onChange={change}>
        <option value="">{`by default${usual === null ? '' : `: ${usual}`}`}</option>
        <option>true</option>
        <option>false</option>
      </Select>
    )
  if (value.includes('\n') || long.test(name))
    return <TextArea {...common} rows={Math.min(Math.max(value.split('\n').length, 2), 16)} onChange={change} />
  return (
    <Input
      {...common}
      type={type === 'PASSWORD' ? 'password' : 'text'}
      // Of the console, that is, which a browser may have kept.
      autoComplete={type === 'PASSWORD' ? 'new-password' : 'off'}
      inputMode={numbers.has(type ?? '') ? 'numeric' : 'text'}
      placeholder={usual ?? ''}
      onChange={change}
      // What is stored and not shown is replaced as a whole.
      onFocus={event => (type === 'PASSWORD' || value === '[hidden]') && event.target.select()}
      {...(recommended.length > 0 ? { list: `${id}-values` } : {})}
    />
  )
}
