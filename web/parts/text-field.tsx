export interface TextFieldProps {
  label: string;
  value: string;
  placeholder?: string;
  onChange: (value: string) => void;
}

/** A line that is no prose: an address, a directory. */
export function TextField({ label, value, placeholder, onChange }: TextFieldProps) {
  return (
    <label>
      {label}
      <input
        value={value}
        onChange={({ target }) => onChange(target.value)}
        placeholder={placeholder}
        spellCheck={false}
        autoCapitalize="none"
        required
      />
    </label>
  );
}
