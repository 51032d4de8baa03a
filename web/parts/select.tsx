import { useId } from 'react';

export interface SelectProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly Value[];
  wordsOf: (value: Value) => string;
  onChoose: (value: Value) => void;
}

/** One of a few. */
export function Select<Value extends string>({ label, value, options, wordsOf, onChoose }: SelectProps<Value>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={({ target }) => onChoose(target.value as Value)}>
        {options.map((one) => (
          <option key={one} value={one}>
            {wordsOf(one)}
          </option>
        ))}
      </select>
    </div>
  );
}
