/** An editor of JSON, code and other text. In a file of its own, because it is larger than the rest of the application and rarely needed. */
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { EditorView, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import css from './editor.module.css'

export type Language = 'json' | 'javascript' | 'typescript'

interface EditorProps {
  label: string
  value: string
  language?: Language
  /** As tall as its text, or as the place where it stands. */
  size?: 'text' | 'place'
  onChange: (value: string) => void
}

/** From the colours of the page, so that it is right in light and dark. */
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warn)' },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: tags.typeName, color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--bad)' },
])

export default function Editor({ label, value, language = 'json', size, onChange }: EditorProps) {
  const place = useRef<HTMLDivElement>(null)
  const changed = useRef(onChange)
  changed.current = onChange
  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor owns the text once it is there
  useEffect(() => {
    const nonce = document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? ''
    const spoken = new Compartment()
    const view = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          history(),
          keymap.of([...defaultKeymap, ...historyKeymap]),
          spoken.of(language === 'json' ? json() : lineNumbers()),
          bracketMatching(),
          syntaxHighlighting(colours),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label, 'aria-multiline': 'true' }),
          EditorView.updateListener.of(update => {
            if (update.docChanged) changed.current(update.state.doc.toString())
          }),
        ],
      }),
    })
    let isGone = false
    if (language !== 'json')
      void script(language === 'typescript').then(extension => {
        if (!isGone) view.dispatch({ effects: spoken.reconfigure([lineNumbers(), extension]) })
      })
    return () => {
      isGone = true
      view.destroy()
    }
  }, [language])
  return <div ref={place} className={`${css['editor']} ${size === undefined ? '' : css[size]}`} />
}

/** The grammar is as large as the editor's own. */
async function script(typescript: boolean): Promise<Extension> {
  const { javascript } = await import('@codemirror/lang-javascript')
  return javascript({ typescript })
}
