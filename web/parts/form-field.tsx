import type { FormProperty, FormValue } from '../../protocol/elicitation-form.js';

export interface FormFieldProps {
  property: FormProperty;
  value: FormValue | undefined;
  /** The rule that the value breaks; empty where a value is missing. */
  problem: string | undefined;
  /** Undefined: no value. */
  onChange: (value: FormValue | undefined) => void;
}

/** One property of a form, by its type. */
export function FormField(props: FormFieldProps) {
  const { property, problem } = props;
  const { name, isRequired, rules } = property;
  const title = `${rules.title ?? name}${isRequired ? ' *' : ''}`;
  return (
    <div className="field">
      <Input {...props} title={title} />
      {rules.description !== undefined && <p className="quiet">{rules.description}</p>}
      {problem && (
        <p className="refusal" role="status">
          {problem}
        </p>
      )}
    </div>
  );
}

type Titled = FormFieldProps & { title: string };

function Input(props: Titled) {
  const { property, value, title, onChange } = props;
  const { choices, rules } = property;
  if (rules.type === 'boolean') {
    return (
      <label className="choice">
        <input type="checkbox" checked={value === true} onChange={({ target }) => onChange(target.checked)} />
        {title}
      </label>
    );
  }
  if (choices) return rules.type === 'array' ? <Several {...props} /> : <One {...props} />;
  return <Text {...props} />;
}

const TYPES: Record<string, string> = { email: 'email', uri: 'url', date: 'date' };

function Text({ property: { rules }, value, title, onChange }: Titled) {
  const isNumber = rules.type === 'number' || rules.type === 'integer';
  const change = (text: string) => {
    if (text === '') onChange(undefined);
    else onChange(isNumber ? Number(text) : text);
  };
  return (
    <label>
      {title}
      <input
        type={isNumber ? 'number' : (TYPES[rules.format ?? ''] ?? 'text')}
        step={rules.type === 'number' ? 'any' : undefined}
        value={value === undefined ? '' : String(value)}
        onChange={({ target }) => change(target.value)}
        dir="auto"
      />
    </label>
  );
}

function One({ property: { choices = [] }, value, title, onChange }: Titled) {
  return (
    <label>
      {title}
      <select value={String(value ?? '')} onChange={({ target }) => onChange(target.value || undefined)}>
        <option value="" />
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.title}
          </option>
        ))}
      </select>
    </label>
  );
}

function Several({ property: { choices = [] }, value, title, onChange }: Titled) {
  const chosen = Array.isArray(value) ? value : [];
  const toggle = (one: string) => {
    const next = chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one];
    onChange(next.length === 0 ? undefined : next);
  };
  return (
    <fieldset>
      <legend>{title}</legend>
      {choices.map((choice) => (
        <label key={choice.value} className="choice">
          <input type="checkbox" checked={chosen.includes(choice.value)} onChange={() => toggle(choice.value)} />
          {choice.title}
        </label>
      ))}
    </fieldset>
  );
}
